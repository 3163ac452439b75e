"""The third stage: images on disk in, a trained model and its predictions out."""
