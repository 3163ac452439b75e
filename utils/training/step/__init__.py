"""What a training step is made of: optimizer, sums, normalisation layers, memory and the device."""
