"""Processes that train together: how they start, exchange values and end."""
