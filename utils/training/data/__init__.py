"""From the pictures of a data set to batches of pixels on the device."""
