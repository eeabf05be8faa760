"""JSON as text: the positions of values in a line, edits of single values, and values with all digits."""
