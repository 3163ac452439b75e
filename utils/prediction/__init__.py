"""Predict: run a trained model on anybody's pictures, with a row for each."""
