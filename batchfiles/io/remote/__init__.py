"""Files in object stores and other filesystems: their addresses, their errors, and how bytes get there."""
