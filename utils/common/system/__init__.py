"""This computer and its processes: memory, processors, threads, and how they end."""
