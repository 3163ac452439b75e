"""The names of the two files that a trained model is stored as."""

WEIGHTS_NAME = "best.safetensors"
"""In a run's folder: the weights of its best epoch, and the arrays of its calibration."""

CARD_NAME = "best.json"
"""In a run's folder: all else that is needed to use these weights."""
