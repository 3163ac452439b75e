"""Name and columns of the table in which a person gives single pictures another class, or none."""

CORRECTIONS_NAME = "corrections.csv"
"""Its name in the folder of the collections."""

COLUMNS = ("source", "original", "label")
"""Short name of the collection; path below the folder of the collections, as in the manifest; and
class."""

LEAVE_OUT = "leave out"
"""In place of a class, for a picture that belongs to none."""
