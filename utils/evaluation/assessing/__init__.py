"""What a model says of pictures beside their classes: calibrate it on val, and test it."""
