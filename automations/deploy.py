"""What `make deploy` does: pool, blocks and deployments on the Prefect server in use. It ends in one next step."""

import asyncio
import contextlib
import io
import sys
from collections.abc import Sequence

from prefect.cli import app
from prefect.settings import get_current_settings

from automations.server import why_not


class StepFailed(Exception):
    """Prefect's command line did not do what it was asked to. `str()` is what it printed."""


def prefect(*words: str) -> str:
    """Run one of Prefect's commands, and return what it printed. In this process: to import Prefect takes seconds.

    Raises:
        StepFailed: It ended with an error.
    """
    printed = io.StringIO()
    arguments, status = sys.argv, None
    sys.argv = ["prefect", "--no-prompt", *words]
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            app()
    except SystemExit as ended:
        status = ended.code
    finally:
        sys.argv = arguments
    if status:
        raise StepFailed(f"{printed.getvalue().rstrip()}\n\n`prefect {' '.join(words)}` failed; what it said is above.")
    return printed.getvalue()


def deploy(pool: str, arguments: Sequence[str]) -> str:
    """Make or update everything that `prefect.yaml` names, and say what comes next.

    Args:
        pool: The work pool, made as one for processes if it is not there.
        arguments: Further ones for `prefect deploy --all`.

    Raises:
        StepFailed: See there.
    """
    try:
        prefect("work-pool", "inspect", pool)
    except StepFailed:
        prefect("work-pool", "create", pool, "--type", "process")
    prefect("block", "register", "-m", "blocks")
    said = prefect("deploy", "--all", *arguments)
    count = said.count("successfully created")
    api = get_current_settings().api.url or ""
    return (
        f"{count or 'All'} deployments are on {api.removesuffix('/api')}. Nothing calls by itself until you switch it "
        f"on.\nNext, in a terminal of its own: prefect worker start --pool {pool}"
    )


def main(arguments: Sequence[str]) -> int:
    """`python -m automations.deploy POOL [ARGUMENTS OF prefect deploy]`."""
    if (problem := asyncio.run(why_not())) is not None:
        print(problem, file=sys.stderr)  # noqa: T201 - it speaks to a person at a terminal
        return 1
    try:
        print(deploy(arguments[0], arguments[1:]))  # noqa: T201 - it speaks to a person at a terminal
    except StepFailed as error:
        print(error, file=sys.stderr)  # noqa: T201 - it speaks to a person at a terminal
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
