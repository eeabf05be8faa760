"""The other ways to do the same work, each its own program: they are started like any user's script."""
