"""Batch files of any size, made up but shaped like the service's: `python -m benchmarks.generate chat 300000 -o DIR`."""
