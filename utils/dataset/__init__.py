"""Stage 2: one record per picture in, a split tree of JPEG files and its manifest out."""
