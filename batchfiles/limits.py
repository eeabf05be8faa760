"""Every number that somebody set, each with its source and the date when it was read."""

from __future__ import annotations

__all__ = ["LINE_CAP"]

LINE_CAP = 64 * 1024 * 1024
"""Bytes; ours. No service documents a longest line but DashScope (6 MB, Model Studio batch docs, read 2026-08); an input file may
have 200 MB and an ordinary line has kilobytes. Decoded JSON takes up to 30 times its length in memory."""
