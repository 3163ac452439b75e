"""The third stage: train a model on the images on disk, and predict val and test with it."""
