"""`python -m batchfiles` is the command line."""

from batchfiles.cli import program

program()
