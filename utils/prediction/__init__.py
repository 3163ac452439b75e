"""The use of it all: a trained model and anybody's pictures in, a row for each out."""
