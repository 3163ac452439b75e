"""The fourth stage: predictions in, figures, files and pictures of the report out."""
