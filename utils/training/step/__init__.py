"""The parts of a training step: optimizer, micro-batches, sums, norms, memory and device."""
