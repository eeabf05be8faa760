"""JSON as text: where the parts of a line are, how one is changed, and values that keep every digit."""
