"""A page on which a person judges whether the pictures of a class belong to it."""
