"""A bucket as a test sees it: by pyarrow alone, without the library."""

from __future__ import annotations

import pyarrow.fs as pafs


class Bucket:
    """A new bucket on a server.

    Attributes:
        name: Its name.
        server: The server's address.
        filesystem: The whole service.
    """

    def __init__(self, server: str, name: str) -> None:
        self.name, self.server = name, server
        self.filesystem = pafs.S3FileSystem(
            endpoint_override=server, scheme="http", region="us-east-1", allow_bucket_creation=True
        )
        self.filesystem.create_dir(name)

    def url(self, key: str = "", **options: str) -> str:
        """Return the URL of an object, with options appended."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"s3://{self.name}/{key}{f'?{query}' if query else ''}"

    def url_through(self, address: str, key: str) -> str:
        """Return a URL with all settings: key, secret, and another address of the server."""
        query = f"endpoint_override={address}&scheme=http&region=us-east-1"
        return f"s3://AKIAEXAMPLE:hush-hush@{self.name}/{key}?{query}"

    def put(self, key: str, data: bytes) -> str:
        """Store an object; returns its URL."""
        with self.filesystem.open_output_stream(f"{self.name}/{key}", compression=None) as file:
            file.write(data)
        return self.url(key)

    def get(self, key: str) -> bytes:
        """Return an object's bytes."""
        with self.filesystem.open_input_stream(f"{self.name}/{key}", compression=None) as file:
            data: bytes = file.read()
        return data

    def listed(self) -> list[str]:
        """Return the keys of all objects."""
        found = self.filesystem.get_file_info(pafs.FileSelector(self.name, recursive=True))
        return sorted(info.path.partition("/")[2] for info in found if info.is_file)
