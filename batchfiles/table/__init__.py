"""The tables: which columns they have, how rows become Arrow batches, and how those become files."""
