"""Bytes in and out, without meaning: where they come from, where a line ends, how a file appears whole or not at all."""
