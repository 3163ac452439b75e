"""The stored state of a run: its folder, its facts, its checkpoint and their checks."""
