"""Where the service is and what the key is, from arguments and the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from batchfiles.api.config import OPENAI_BASE_URL, AzureConfig, Config
from batchfiles.api.key import Key

__all__ = ["access_of", "config_of", "key_of", "key_variable"]


def config_of(
    base_url: str | None = None, organization: str | None = None, project: str | None = None, *, allow_http: bool = False
) -> Config:
    """Return the configuration that arguments and, where they are silent, the variables of the official SDK describe.

    `OPENAI_BASE_URL`, `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID`; with `AZURE_OPENAI_ENDPOINT`, and no base url, it is Azure, in the
    dialect that `OPENAI_API_VERSION` names.

    Raises:
        ValueError: An address is none.
    """
    found = base_url or os.environ.get("OPENAI_BASE_URL")
    azure = os.environ.get("AZURE_OPENAI_ENDPOINT")
    if azure and not found:
        return AzureConfig(base_url=azure, api_version=os.environ.get("OPENAI_API_VERSION") or None, allow_http=allow_http)
    return Config(
        base_url=found or OPENAI_BASE_URL,
        organization=organization or os.environ.get("OPENAI_ORG_ID") or None,
        project=project or os.environ.get("OPENAI_PROJECT_ID") or None,
        allow_http=allow_http,
    )


def key_variable(config: Config) -> str:
    """Name the variable that the key is read from: that of the official SDK for the service, or for a token of Entra ID."""
    if isinstance(config, AzureConfig):
        return "AZURE_OPENAI_AD_TOKEN" if config.entra else "AZURE_OPENAI_API_KEY"
    return "OPENAI_API_KEY"


def key_of(key: str | Key | Callable[[], str] | None, config: Config) -> Key:
    """Return the key: the one that was given, or that of the variable that `key_variable` names.

    Raises:
        ValueError: There is none, or it can't be one; it is not shown.
    """
    if isinstance(key, Key):
        return key
    if key is not None:
        return Key(key)
    name = key_variable(config)
    if not os.environ.get(name):
        raise ValueError(f"there is no key: set {name}, or give one")
    return Key(os.environ[name])


def access_of(
    key: str | Key | Callable[[], str] | None,
    config: Config | None,
    base_url: str | None,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> tuple[Config, Key] | ValueError:
    """Return where the service is and the key, or what is wrong with them.

    It is returned and not raised: the traceback would lead through frames whose locals hold the key.
    """
    try:
        found = (config or config_of(base_url)).with_more(headers, query)
        return found, key_of(key, found)
    except ValueError as error:
        problem = str(error)
    return ValueError(problem)
