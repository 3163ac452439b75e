"""The fourth stage: calibrate and test a model on its predictions, and write the report."""
