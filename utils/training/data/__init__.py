"""Pictures of a data set, brought to batches of pixels on the device."""
