"""The version of the suite: scripts, stored models, reports and the package read it here."""

__version__ = "1.0.0"
