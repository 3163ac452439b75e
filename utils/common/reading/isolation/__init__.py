"""Decoders that may hang or crash, kept in a process and a time of their own."""
