"""The options that say where the service is and what the key is; the key itself is never an argument."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from batchfiles.cli.live_line import speaking
from batchfiles.cli.options import with_options
from batchfiles.cli.service_errors import advice

if TYPE_CHECKING:
    from batchfiles.api.config import Config
    from batchfiles.client.synchronous import Client

__all__ = ["Service", "pairs", "service_options", "terms_options"]

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
        headers: More headers of each call.
        query: More parameters of each call.
        quiet: Whether only errors are said.
        verbose: Whether each step is said.
    """

    base_url: str | None = None
    key_command: str | None = None
    azure_endpoint: str | None = None
    azure_api_version: str | None = None
    azure_entra: bool = False
    allow_http: bool = False
    request_timeout: float = 600.0
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    query: dict[str, str] = field(default_factory=dict, repr=False)
    quiet: bool = False
    verbose: bool = False

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
        found = found.with_more(self.headers, self.query)
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
        if service.quiet and service.verbose:
            raise click.UsageError("-q and -v exclude each other: use one of them.")
        with speaking(quiet=service.quiet, verbose=service.verbose), advice(service):
            return command(*arguments, service=service, **options)

    decorated: Any = with_service
    kept: Command = with_options(decorated, OPTIONS)
    return kept


NAMES = tuple(Service.__dataclass_fields__)

FROM_ENVIRONMENT = "env:"
"""The prefix of an environment variable that holds a secret value."""


def pairs(form: str) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], dict[str, str]]:
    """Return a callback that splits names and values.

    Args:
        form: How they are written, such as `KEY=VALUE`.
    """
    sign = form[-6]

    def taken_apart(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
        found = {}
        for value in values:
            name, separator, text = value.partition(sign)
            if not separator or not name.strip():
                raise click.BadParameter(f"is not of the form {form}.")  # what it is instead may be secret
            found[name.strip()] = text.strip() if sign == ":" else text
        return found

    return taken_apart


def secret_pairs(form: str) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], dict[str, str]]:
    """Return a callback that splits names and values, and reads a value `env:VARIABLE` from the environment."""
    taken_apart = pairs(form)

    def revealed(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
        return {name: _revealed(text) for name, text in taken_apart(context, option, values).items()}

    return revealed


def _revealed(text: str) -> str:
    if not text.startswith(FROM_ENVIRONMENT):
        return text
    variable = text.removeprefix(FROM_ENVIRONMENT)
    if variable not in os.environ:
        raise click.BadParameter(f"the variable {variable} is not set.")
    return os.environ[variable]


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
    click.option(
        "--header",
        "headers",
        multiple=True,
        callback=secret_pairs("NAME:VALUE"),
        metavar="NAME:VALUE",
        help="Send this header with each call, for gateways; env:VARIABLE as its value hides it from other users. Repeatable.",
    ),
    click.option(
        "--query",
        "query",
        multiple=True,
        callback=secret_pairs("NAME=VALUE"),
        metavar="NAME=VALUE",
        help="Add this parameter to each address; env:VARIABLE as for --header. Repeatable.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Report only errors on standard error."),
    click.option("-v", "--verbose", is_flag=True, help="Report each step on standard error, and not only retries."),
)


def terms_options(command: Command) -> Command:
    """Give a command that makes batches the options on how each one is made."""
    return with_options(command, TERMS)


TERMS = (
    click.option(
        "--completion-window",
        default="24h",
        show_default=True,
        metavar="TIME",
        help="How long a batch may take, in the format of the service; OpenAI accepts 24h only, others 1h to 14d.",
    ),
    click.option(
        "--output-expires-after",
        type=click.IntRange(3_600, 2_592_000),
        metavar="SECONDS",
        help="Make the service delete the result files after this, from an hour to 30 days.",
    ),
)
