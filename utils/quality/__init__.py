"""Degradations that make LOW_QUALITY, and measures of quality; both without torch."""
