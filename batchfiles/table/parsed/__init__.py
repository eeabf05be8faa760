"""Typed answers: the columns `parsed` and `parse_error`, whose type a JSON Schema decides."""
