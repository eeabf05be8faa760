"""The options that say where the service is and what the key is; the key itself is never an argument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from batchfiles.cli.options import with_options
from batchfiles.cli.service_errors import advice

if TYPE_CHECKING:
    from batchfiles.api.config import Config
    from batchfiles.client.synchronous import Client

__all__ = ["Service", "service_options"]

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the command line says of the service; the environment says the rest.

    Attributes:
        base_url: The address of an OpenAI-compatible service.
        key_command: A shell command that prints the key.
        azure_endpoint: The address of a resource of Azure OpenAI.
        azure_api_version: The dated API that is to be spoken there.
        azure_entra: Whether the key is a token of Entra ID.
        allow_http: Whether the key may travel in the open.
        request_timeout: Seconds for each call.
    """

    base_url: str | None = None
    key_command: str | None = None
    azure_endpoint: str | None = None
    azure_api_version: str | None = None
    azure_entra: bool = False
    allow_http: bool = False
    request_timeout: float = 600.0

    def config(self) -> Config:
        """Return where the service is.

        Raises:
            UsageError: The options contradict each other, or there is no key.
            ValueError: An address is none.
            MissingDependency: The extra `client` is not installed.
        """
        from dataclasses import replace

        from batchfiles.api.config import AzureConfig
        from batchfiles.client.environment import config_of

        if self.base_url and self.azure_endpoint:
            raise click.UsageError("--base-url and --azure-endpoint name two services: say one of them.")
        if self.azure_endpoint:
            found: Config = AzureConfig(base_url=self.azure_endpoint, allow_http=self.allow_http)
        else:
            found = config_of(self.base_url, allow_http=self.allow_http)
        if not isinstance(found, AzureConfig):
            if self.azure_entra or self.azure_api_version:
                raise click.UsageError("--azure-entra and --azure-api-version need --azure-endpoint or AZURE_OPENAI_ENDPOINT.")
            return found
        return replace(found, api_version=self.azure_api_version or found.api_version, entra=self.azure_entra)

    def connect(self) -> Client:
        """Return a client; nothing is sent yet.

        Raises:
            UsageError: The options contradict each other, or there is no key.
            ValueError: An address or a key is none.
            MissingDependency: The extra `client` is not installed.
        """
        import os

        from batchfiles.cli.key_command import CommandKey
        from batchfiles.client import Client
        from batchfiles.client.environment import key_variable

        config = self.config()
        if self.key_command is not None:
            return Client(CommandKey(self.key_command), config=config, timeout=self.request_timeout)
        variable = key_variable(config)
        if not os.environ.get(variable):
            raise click.UsageError(f"There is no key: set {variable}, or let --key-command print it.")
        return Client(config=config, timeout=self.request_timeout)


def service_options(command: Command) -> Command:
    """Give a command the options on the service; it gets them as one keyword argument, `service: Service`.

    What the service refuses in it is said with what to do about it, and ends in exit code 3.
    """

    @wraps(command)
    def with_service(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - a command's own
        service = Service(**{name: options.pop(name) for name in NAMES})
        with advice(service):
            return command(*arguments, service=service, **options)

    decorated: Any = with_service
    kept: Command = with_options(decorated, OPTIONS)
    return kept


NAMES = tuple(Service.__dataclass_fields__)

OPTIONS = (
    click.option(
        "--base-url",
        metavar="URL",
        help="An OpenAI-compatible service, version included: https://host/v1. Else OPENAI_BASE_URL, else OpenAI itself.",
    ),
    click.option(
        "--key-command",
        metavar="CMD",
        help="A shell command that prints the key; run once, and again when the service refuses the key. Else OPENAI_API_KEY.",
    ),
    click.option(
        "--azure-endpoint",
        metavar="URL",
        help="A resource of Azure OpenAI; the key is AZURE_OPENAI_API_KEY. Else AZURE_OPENAI_ENDPOINT.",
    ),
    click.option(
        "--azure-api-version", metavar="DATE", help="Speak the dated API, such as 2024-10-21. Else OPENAI_API_VERSION, if any."
    ),
    click.option("--azure-entra", is_flag=True, help="The key is a token of Entra ID; else from AZURE_OPENAI_AD_TOKEN."),
    click.option("--allow-http", is_flag=True, help="Let the key travel by plain http to another machine."),
    click.option(
        "--request-timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=600.0,
        show_default="600",
        metavar="SECONDS",
        help="Time for each call; a file on its way has ten times as much.",
    ),
)
