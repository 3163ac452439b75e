"""Stage 1: turn what lies under ALL_DATA into one record per picture."""
