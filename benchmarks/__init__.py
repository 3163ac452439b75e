"""Measurements behind the claims of the pages, in rooms by what they are about."""
