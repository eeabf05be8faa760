"""Worker processes: a pool of them, and what each one runs."""
