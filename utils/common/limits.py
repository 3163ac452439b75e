"""Numbers beyond which a picture is refused, apart from what needs a decoder to be imported."""

import sys

MAX_PIXELS = 200_000_000
"""Larger pictures are refused before decoding (a "decompression bomb" can be a few bytes)."""

ACCEPTED = sys.maxsize
"""The most pixels of a picture that has passed its limit already, such as one of a data set."""

MAX_FILE_BYTES = 2**30
"""A larger file is not read as a picture."""

MAX_ASPECT = 20
"""A longer strip would grow beyond all bounds when its shorter side is enlarged."""

MAX_RATIO = 100
"""An archive that unpacks to more bytes for each of its own is no collection but a bomb."""

FREE_BYTES = 64 * 2**20
"""Whatever the ratio, this many bytes harm nobody."""

MAX_UNPACKED = 2**40
"""Bytes that one archive may unpack to."""

MAX_MEMBERS = 1_000_000
"""Files in one archive, those in archives inside it among them."""

MAX_DEPTH = 3
"""Archives inside each other."""

MAX_PATH_LENGTH = 1_024
"""Characters of a file's path in an archive."""

MAX_FOLDERS = 32
"""Folders in each other in an archive."""

MAX_PATHS_LENGTH = 2**28
"""Characters of all paths in one archive."""

MAX_DICTIONARY = 2**28
"""Bytes of memory that unpacking may need: that of `xz -9` is 65 MiB, others may ask for 4 GiB."""

SMALLEST_GOOD = 115
"""Fewest pixels along the shorter side of a picture that is an example of its class. The mildest
degradation to a low resolution leaves fewer, so that none is good and poor for the same reason."""
