"""The jobs that are done with batch files: a module or a package each."""
