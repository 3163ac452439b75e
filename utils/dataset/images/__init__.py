"""Originals brought to the pictures of a data set, each read once, by several processes."""
