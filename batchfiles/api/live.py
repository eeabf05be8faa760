"""One request of a batch file, sent to the live endpoint itself: what it costs to be wrong there shows at once."""

from __future__ import annotations

from urllib.parse import urlsplit

from batchfiles.api.config import AzureConfig, Config
from batchfiles.api.messages import Request

__all__ = ["live_request"]


def live_request(config: Config, url: str, body: bytes, *, model: str | None = None) -> Request:
    """Build the call that a line of a batch file stands for.

    Args:
        config: Where the service is.
        url: As it stands in the line, such as `/v1/chat/completions`.
        body: The bytes of its body.
        model: The deployment; in Azure's dated API it is part of the address.

    Raises:
        ValueError: The url is no path.
    """
    path = urlsplit(url).path
    if not path.startswith("/") or path != url:
        raise ValueError(f"the url of a request is a path such as /v1/chat/completions, not {url[:60]!r}")
    parts = path.strip("/").split("/")
    # The base url holds the version already.
    parts = parts[1:] if parts[0] == "v1" else parts
    if isinstance(config, AzureConfig) and config.api_version and model:
        parts = ["deployments", model, *parts]
    return Request("POST", config.url(*parts), config.all_headers(Content_Type="application/json"), (body,))
