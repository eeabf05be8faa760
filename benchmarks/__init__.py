"""What the speed and the memory of the library are measured with; not part of the package."""
