"""Files of strangers and of our own: listing, opening, writing, and what is known of them."""
