"""Stage 1: what lies under ALL_DATA in, one record per picture out."""
