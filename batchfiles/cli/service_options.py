"""The options that say where the service is and what the key is; the key itself is never an argument.

The key from a command: a password manager, a vault, the login of a cloud.

What to do when the service says no, or nothing.
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
from batchfiles.cli.progress import speaking
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

__all__ = ["CommandKey", "Service", "advice", "pairs", "service_options", "terms_options", "what_to_do"]


PATIENCE = 300
"""Seconds for the command: it may ask for a fingerprint."""


class CommandKey(Key):
    """The output of a shell command. It is run when the key is needed first, and again after the service has refused the key.

    Args:
        command: For the shell. What it says on standard error, and asks, reaches the terminal.
    """

    __slots__ = ("_command", "_kept")

    def __init__(self, command: str) -> None:
        self._command = command
        self._kept: Key | None = None
        super().__init__(self._printed)

    def renew(self) -> None:
        """Forget what the command printed."""
        self._kept = None

    def reveal(self) -> str:
        """Return what the command printed, without the line end.

        Raises:
            ClickException: It failed, or took too long; what it printed is not shown.
            ValueError: It printed something that is no key.
        """
        if self._kept is None:
            self._kept = Key(self._printed())
        return self._kept.reveal()

    def _printed(self) -> str:
        problem, printed = _output_of(self._command)
        if problem is not None:
            raise click.ClickException(problem)
        return printed


def _output_of(command: str) -> tuple[str | None, str]:
    """Run a command; returns what went wrong and, if nothing did, its output.

    Nothing is raised here, where the output of a command that failed is at hand: a traceback shows the values of its frames.
    """
    try:
        # The command is the user's own, as in GIT_ASKPASS.
        done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, timeout=PATIENCE, check=False)  # noqa: S602
    except subprocess.TimeoutExpired:
        return f"the key command took longer than {PATIENCE} seconds", ""
    except OSError as error:
        return f"the key command can't be run: {error.strerror}", ""
    if done.returncode != 0:
        return f"the key command ended with exit code {done.returncode}", ""
    return None, done.stdout.decode("utf-8", "replace").rstrip("\r\n")


@contextmanager
def advice(service: Service) -> Iterator[None]:
    """Add to a refusal of the service what its reader can do about it.

    Raises:
        ClickException: The service said no, or there was no answer; `main` makes the exit code 3 of it.
    """
    try:
        yield
    except (APIError, APIConnectionError) as error:
        hint = what_to_do(error, service)
        words = f"{error}: {hint}" if hint else str(error)
        raise click.ClickException(words) from error


def what_to_do(error: APIError | APIConnectionError, service: Service) -> str | None:
    """Return a hint; None where the error says enough."""
    address = service.config().base_url
    if isinstance(error, APIConnectionError):
        if isinstance(error, SubmissionUnknownError) or error.phase not in PHASES:
            return None
        return PHASES[error.phase].format(address=address)
    if isinstance(error, AuthenticationError):
        return _about_the_key(service)
    if isinstance(error, APIResponseValidationError):
        return f"is {address} the address of the API, version included?"
    if error.status_code is not None and 300 <= error.status_code < 400:
        return "where that is another address of the same API, name it with --base-url"
    if error.status_code == 413:
        return "'batchfiles split --max-bytes' makes smaller files"
    return next((words for kind, words in BY_KIND.items() if isinstance(error, kind)), None)


def _about_the_key(service: Service) -> str:
    from batchfiles.client.calls import key_variable

    if service.key_command is not None:
        return "--key-command must print a key of this service"
    return f"set {key_variable(service.config())} to a key of this service, or say --key-command"


PHASES = {
    "resolve": "is {address} right, and is there a network?",
    "connect": "does {address} listen, and is there a network?",
    "tls": "the certificate of {address} is not one that this machine trusts",
}
"""Hints by the phase in which an exchange broke, before anything was sent."""

BY_KIND: dict[type[APIError], str] = {
    PermissionDeniedError: "the key may not do this; its project or its owner's role decides",
    NotFoundError: "ids are known in the project of their key only",
    RateLimitError: "wait, or look at the limits and the balance of the account",
    InternalServerError: "the trouble is at the service; try again later",
}
"""Hints by what the service said."""


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
            MissingDependencyError: The extra `client` is not installed.
        """
        from dataclasses import replace

        from batchfiles.api.config import AzureConfig
        from batchfiles.client.calls import config_of

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
            MissingDependencyError: The extra `client` is not installed.
        """
        from batchfiles.client import Client
        from batchfiles.client.calls import key_variable

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
