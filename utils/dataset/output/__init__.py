"""What lies in the folder of a data set, and what of it is already there."""
