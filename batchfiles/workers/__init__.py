"""Worker processes: the pool, and the program of each worker."""
