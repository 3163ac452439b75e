"""The files that a user has, in folders and in archives, and the tables among them."""
