"""Stage 2: turn one record per picture into a split tree of JPEG files and its manifest."""
