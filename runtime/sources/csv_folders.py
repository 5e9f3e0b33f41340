"""From which folders a run may read CSV files: what a form names must not be any file of the worker.

Promises that a run of a deployment reads from its working directory and from the folders that were named where the
worker runs, and from nowhere else. Whoever starts a flow as a program can read every file anyway.
"""

import os
from pathlib import Path

from prefect.context import FlowRunContext

VARIABLE = "HAMSA_CSV_FOLDERS"
"""Names folders, divided as in PATH: by a colon, on Windows by a semicolon."""


def allowed_folders() -> tuple[Path, ...] | None:
    """The folders, or `None` where any will do: a run of no deployment, and none are named."""
    named = tuple(Path(folder).expanduser() for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder)
    if not named and not _is_deployed():
        return None
    here = Path.cwd()
    # A worker that runs in `/` was started without a thought of folders: that is not leave to read all of them.
    return named if here == Path(here.anchor) else (here, *named)


def _is_deployed() -> bool:
    """Whether this is a run of a deployment, as the run itself knows it: Prefect's API need not be asked."""
    context = FlowRunContext.get()
    return context is not None and context.flow_run is not None and context.flow_run.deployment_id is not None
