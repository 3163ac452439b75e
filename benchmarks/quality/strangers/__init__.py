"""Out-of-distribution detection compared: strangers, what networks see in them, and scores."""
