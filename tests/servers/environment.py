"""The environment in which tests and their programs run: the project's defaults, and nothing of a person's own set-up.

Promises that no saved Prefect profile, no server somebody works with and no key of theirs is ever touched by a test.
"""

from collections.abc import Mapping
from pathlib import Path

from tests.servers.http import CERTIFICATES

OWNED = ("PREFECT_", "PREFECT__", "HAMSA_", "MAKE", "MFLAGS", "ARGS")
"""Variables that begin so decide what a test talks to, or are meant for the `make` that runs it: never taken over."""


def isolated_environment(surrounding: Mapping[str, str], *, home: Path, api_url: str | None) -> dict[str, str]:
    """The environment for a test, or for a program that a test starts.

    Args:
        surrounding: The environment of the shell.
        home: The `PREFECT_HOME`: Prefect's profiles, its database and the results of tasks.
        api_url: The Prefect server to talk to. Without one a flow fails at once; it never starts a server by itself.

    Returns:
        All variables that count.
    """
    environment = {name: value for name, value in surrounding.items() if not name.startswith(OWNED)}
    environment |= {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_API_SSL_CERT_FILE": str(CERTIFICATES),
        "DO_NOT_TRACK": "1",
    }
    if api_url is not None:
        environment["PREFECT_API_URL"] = api_url
    return environment
