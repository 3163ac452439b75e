"""How the files of each picture format are built, as far as damage and hidden costs show there."""
