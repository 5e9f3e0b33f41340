"""Keep tests and demonstrations off the network: this process, and the Python processes that it starts."""

import os
from collections.abc import Mapping
from pathlib import Path

from sandbox.guard.sitecustomize import ForeignHost, forbid_other_hosts, is_this_machine

__all__ = ["GUARD", "ForeignHost", "forbid_other_hosts", "guarded_environment", "is_this_machine"]

GUARD = Path(__file__).resolve().parent / "guard"
"""The folder that keeps a Python process on its own machine when it is on its PYTHONPATH."""


def guarded_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment whose Python processes, and theirs in turn, talk to their own machine only.

    Args:
        environment: What to start from; this process's own environment if not given.
    """
    guarded = dict(os.environ if environment is None else environment)
    others = [entry for entry in guarded.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != str(GUARD)]
    guarded["PYTHONPATH"] = os.pathsep.join([str(GUARD), *others])
    return guarded
