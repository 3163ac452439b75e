"""What belongs together, and that none of it lies in two splits."""
