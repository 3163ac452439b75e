"""What a picture's values mean, and how they become 8-bit sRGB."""
