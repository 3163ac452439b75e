"""Download files below ALL_DATA, complete and checked, and say what did not come."""
