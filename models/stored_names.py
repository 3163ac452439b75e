"""The names of the two files that a trained model is stored as."""

WEIGHTS_NAME = "best.safetensors"
"""File with the weights of the best epoch and the arrays of the calibration."""

CARD_NAME = "best.json"
"""File with all else that is needed to use these weights."""
