"""One pure function for each kind of degradation, and what draws its parameters."""
