"""The S3 server of moto, without a bug of werkzeug 3.1.9 that ends it; `python -m tests.remote.server -H 127.0.0.1 -p PORT`."""

from __future__ import annotations

import sys

from moto.server import main
from werkzeug import serving


class Input(serving.DechunkedInput):
    """The body of an upload in chunks.

    If an upload is cut within a chunk, `readinto` puts fewer bytes into the buffer than it returns. That shortens a bytearray,
    and Python then reads the memory after it. A memoryview can't be shortened, so this is a ValueError.
    """

    def readinto(self, buf: bytearray | memoryview) -> int:
        return super().readinto(memoryview(buf))  # type: ignore[arg-type]


if __name__ == "__main__":
    serving.DechunkedInput = Input  # type: ignore[misc]
    main(sys.argv[1:])
