"""The jobs that are done with batch files, one module each."""
