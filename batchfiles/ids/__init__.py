"""Exact uniqueness and look-up of `custom_id` in bounded memory."""
