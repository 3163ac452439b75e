"""Numbers beyond which a picture is refused, apart from what needs a decoder to be imported."""

MAX_PIXELS = 200_000_000
"""Larger pictures are refused before decoding (a "decompression bomb" can be a few bytes)."""

MAX_ASPECT = 20
"""A longer strip would grow beyond all bounds when its shorter side is enlarged."""
