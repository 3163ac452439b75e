"""Processes that train together: how they meet, exchange values, and end."""
