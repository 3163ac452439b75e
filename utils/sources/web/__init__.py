"""URLs in, whole and checked files below ALL_DATA out, with a word on each that did not come."""
