"""The S3 server of moto, which an upload that is cut does not end; `python -m tests.remote.server -H 127.0.0.1 -p PORT`."""

from __future__ import annotations

import sys

from moto.server import main
from werkzeug import serving


class Input(serving.DechunkedInput):
    """The body of an upload in chunks; one that is cut is a ValueError. werkzeug 3.1.9 may end the server instead."""

    def readinto(self, buf: bytearray | memoryview) -> int:
        return super().readinto(memoryview(buf))  # type: ignore[arg-type]


if __name__ == "__main__":
    serving.DechunkedInput = Input  # type: ignore[misc]
    main(sys.argv[1:])
