"""The other ways to do the same work, each a program of its own: they are started like any user's script."""
