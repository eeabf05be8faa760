"""A package, so that its modules may be named after those that they test."""
