"""What keeps a request from going astray, telling secrets, or lasting for ever."""
