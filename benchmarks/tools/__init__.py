"""What several benchmarks use, and what prepares pictures for them."""
