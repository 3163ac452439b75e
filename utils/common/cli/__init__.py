"""What the scripts say and ask on the command line, and how they read their flags."""
