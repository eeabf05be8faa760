"""`python -m batchfiles.testing --port N`: the local server, until it is interrupted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Serve."""
    from batchfiles.errors import MissingDependency

    parser = argparse.ArgumentParser(
        prog="python -m batchfiles.testing", description="A local server of the Files and Batches API."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 for any that is free (default: 8000)")
    parser.add_argument("--stage-seconds", type=float, default=1.0, help="how long a batch is in each stage (default: 1)")
    options = parser.parse_args(argv)
    try:
        from batchfiles.testing.server import Server
        from batchfiles.testing.service import Service

        server = Server(Service(stage_seconds=options.stage_seconds), host=options.host, port=options.port)
    except (MissingDependency, OSError) as error:
        print(f"batchfiles.testing: {error}", file=sys.stderr)  # noqa: T201
        return 3
    print(f"export OPENAI_BASE_URL={server.base_url} OPENAI_API_KEY=sk-local", flush=True)  # noqa: T201
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
