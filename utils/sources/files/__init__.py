"""A stranger's archives in, the places of the files in them out: nothing they say is believed."""
