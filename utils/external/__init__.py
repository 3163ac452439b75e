"""Test a trained model on a user's own labelled pictures, or calibrate it on them anew."""
