"""The options for the address and the key of the service, a key from a command, and hints for errors.

The key itself is never an argument.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from batchfiles.api.config import Key
from batchfiles.cli.options import with_options
from batchfiles.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    AuthenticationError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    SubmissionUnknownError,
)

if TYPE_CHECKING:
    from batchfiles.api.config import Config
    from batchfiles.client.synchronous import Client

KEY_COMMAND_SECONDS = 300
"""The timeout of the key command, which may wait for the user."""


class CommandKey(Key):
    """The output of a shell command, run when the key is first needed, and again after the service refused it.

    Args:
        command: A shell command. Its standard error and its prompts go to the terminal.
    """

    __slots__ = ("_command", "_key")

    def __init__(self, command: str) -> None:
        self._command = command
        self._key: Key | None = None
        super().__init__(self._run)

    def renew(self) -> None:
        """Discard the key, so that the command is run again."""
        self._key = None

    def reveal(self) -> str:
        """Return the output of the command, without the line end.

        Raises:
            ClickException: It failed or timed out; its output is not shown.
            ValueError: The output is not a valid key.
        """
        if self._key is None:
            self._key = Key(self._run())
        return self._key.reveal()

    def _run(self) -> str:
        problem, output = _output_of(self._command)
        if problem is not None:
            raise click.ClickException(problem)
        return output


def _output_of(command: str) -> tuple[str | None, str]:
    """Run a command, and return an error message or None, and its output.

    Nothing is raised here, because a traceback could show the output.
    """
    try:
        # The command comes from the user, as in GIT_ASKPASS.
        done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, timeout=KEY_COMMAND_SECONDS, check=False)  # noqa: S602
    except subprocess.TimeoutExpired:
        return f"the key command took longer than {KEY_COMMAND_SECONDS} seconds", ""
    except OSError as error:
        return f"the key command can't be run: {error.strerror}", ""
    if done.returncode != 0:
        return f"the key command ended with exit code {done.returncode}", ""
    return None, done.stdout.decode("utf-8", "replace").rstrip("\r\n")


@contextmanager
def advice(service: Service) -> Iterator[None]:
    """Add a hint to errors of the service, and raise them as ClickException: exit code 3."""
    try:
        yield
    except (APIError, APIConnectionError) as error:
        hint = what_to_do(error, service)
        words = f"{error}: {hint}" if hint else str(error)
        raise click.ClickException(words) from error


def what_to_do(error: APIError | APIConnectionError, service: Service) -> str | None:
    """Return a hint on how to fix an error, or None."""
    address = service.config().base_url
    if isinstance(error, APIConnectionError):
        if isinstance(error, SubmissionUnknownError) or error.phase not in PHASES:
            return None
        return PHASES[error.phase].format(address=address)
    if isinstance(error, AuthenticationError):
        return _about_the_key(service)
    if isinstance(error, APIResponseValidationError):
        return f"check that {address} is the address of the API, with the version"
    if error.status_code is not None and 300 <= error.status_code < 400:
        return "if the API has moved to another address, use it as --base-url"
    if error.status_code == 413:
        return "use 'batchfiles split --max-bytes' for smaller files"
    return next((words for kind, words in BY_KIND.items() if isinstance(error, kind)), None)


def _about_the_key(service: Service) -> str:
    from batchfiles.client.calls import key_variable

    if service.key_command is not None:
        return "--key-command must print a key of this service"
    return f"set {key_variable(service.config())} to a key of this service, or use --key-command"


PHASES = {
    "resolve": "check the address {address} and the network",
    "connect": "check that a service runs at {address}, and the network",
    "tls": "the certificate of {address} is not trusted on this machine",
}
"""Hints by the phase in which a call failed, before anything was sent."""

BY_KIND: dict[type[APIError], str] = {
    PermissionDeniedError: "the key has no permission for this: check its project and the role of its owner",
    NotFoundError: "ids exist only in the project of their key",
    RateLimitError: "wait, or check the limits and the balance of the account",
    InternalServerError: "an error at the service: try again later",
}
"""Hints by the error of the service."""


Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The values of `service_options`; the rest comes from the environment."""

    base_url: str | None = None
    key_command: str | None = None
    azure_endpoint: str | None = None
    azure_api_version: str | None = None
    azure_entra: bool = False
    allow_http: bool = False
    request_timeout: float = 600.0
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    query: dict[str, str] = field(default_factory=dict, repr=False)

    def config(self) -> Config:
        """Return the configuration of the service.

        Raises:
            UsageError: The options contradict each other.
            ValueError: An address is invalid.
            MissingDependencyError: The extra `client` is not installed.
        """
        from dataclasses import replace

        from batchfiles.api.config import AzureConfig
        from batchfiles.client.calls import config_of

        if self.base_url and self.azure_endpoint:
            raise click.UsageError("--base-url and --azure-endpoint exclude each other: use one of them.")
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
            UsageError: The options contradict each other, or no API key is set.
            ValueError: An address or a key is invalid.
            MissingDependencyError: The extra `client` is not installed.
        """
        from batchfiles.client import Client
        from batchfiles.client.calls import key_variable

        config = self.config()
        if self.key_command is not None:
            return Client(CommandKey(self.key_command), config=config, timeout=self.request_timeout)
        variable = key_variable(config)
        if not os.environ.get(variable):
            raise click.UsageError(f"No API key: set {variable}, or use --key-command.")
        return Client(config=config, timeout=self.request_timeout)


def service_options(command: Command) -> Command:
    """Add the options on the service to a command; they are passed as one argument, `service: Service`.

    Errors of the service get a hint, and exit code 3.
    """

    @wraps(command)
    def with_service(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - any command
        service = Service(**{name: options.pop(name) for name in NAMES})
        with advice(service):
            return command(*arguments, service=service, **options)

    decorated: Any = with_service
    kept: Command = with_options(decorated, OPTIONS)
    return kept


NAMES = tuple(Service.__dataclass_fields__)

FROM_ENVIRONMENT = "env:"
"""The prefix of an environment variable that holds a secret value."""


def pairs(form: str) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], dict[str, str]]:
    """Return a callback that splits names and values written as in `form`, such as `KEY=VALUE`."""
    sign = form[-6]

    def split(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
        found = {}
        for value in values:
            name, separator, text = value.partition(sign)
            if not separator or not name.strip():
                raise click.BadParameter(f"is not of the form {form}.")  # the value may be secret
            found[name.strip()] = text.strip() if sign == ":" else text
        return found

    return split


def secret_pairs(form: str) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], dict[str, str]]:
    """Return a callback that splits names and values, and reads a value `env:VARIABLE` from the environment."""
    split = pairs(form)

    def revealed(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
        return {name: _revealed(text) for name, text in split(context, option, values).items()}

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
        help="An OpenAI-compatible service, with the version: https://host/v1.  [default: OPENAI_BASE_URL, else OpenAI]",
    ),
    click.option(
        "--key-command",
        metavar="CMD",
        help="A shell command that prints the key; run again if the service refuses the key.  [default: OPENAI_API_KEY]",
    ),
    click.option(
        "--azure-endpoint",
        metavar="URL",
        help="A resource of Azure OpenAI, with the key AZURE_OPENAI_API_KEY.  [default: AZURE_OPENAI_ENDPOINT]",
    ),
    click.option(
        "--azure-api-version",
        metavar="DATE",
        help="A dated API version, such as 2024-10-21.  [default: OPENAI_API_VERSION, if set]",
    ),
    click.option("--azure-entra", is_flag=True, help="The key is a token of Entra ID.  [default: AZURE_OPENAI_AD_TOKEN]"),
    click.option("--allow-http", is_flag=True, help="Allow plain http to another machine, which sends the key unencrypted."),
    click.option(
        "--request-timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=600.0,
        show_default="600",
        metavar="SECONDS",
        help="The timeout of each call; ten times as long for file transfers.",
    ),
    click.option(
        "--header",
        "headers",
        multiple=True,
        callback=secret_pairs("NAME:VALUE"),
        metavar="NAME:VALUE",
        help="Add a header to each call; env:VARIABLE as value keeps a secret off the command line. Repeatable.",
    ),
    click.option(
        "--query",
        "query",
        multiple=True,
        callback=secret_pairs("NAME=VALUE"),
        metavar="NAME=VALUE",
        help="Add a query parameter to each call; env:VARIABLE as for --header. Repeatable.",
    ),
)


def terms_options(command: Command) -> Command:
    """Add the options for creating a batch to a command."""
    return with_options(command, TERMS)


TERMS = (
    click.option(
        "--completion-window",
        "--window",
        "completion_window",
        default="24h",
        show_default=True,
        metavar="TIME",
        help="The time in which a batch must finish; OpenAI accepts only 24h, others 1h to 14d.",
    ),
    click.option(
        "--output-expires-after",
        type=click.IntRange(3_600, 2_592_000),
        metavar="SECONDS",
        help="When the service deletes the result files: an hour to 30 days.",
    ),
)
