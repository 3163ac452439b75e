"""What lies in the archives of strangers, and where: nothing that they say is believed."""
