"""One reader for each way in which collections lay out their pictures and labels."""
