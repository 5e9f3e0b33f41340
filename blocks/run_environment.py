"""A ledger must outlive its run: one that goes away with the run's own disk would protect nobody.

Stops a run before it dials if a worker started it where the default ledger, a file next to Prefect's own data, would be
lost with the container. Promises to leave everybody else alone: runs by hand, `.serve()`, a process worker on its host.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

_CONTAINER_FILES = (Path("/.dockerenv"), Path("/run/.containerenv"))


@dataclass(frozen=True, slots=True)
class RunEnvironment:
    """Where a run runs.

    Attributes:
        by_worker: Whether a worker started it, and not a person or `.serve()`.
        work_pool: Name of that worker's pool; None if it is not known any more.
        pool_type: The pool's type, such as `process` or `docker`; None if it is not known any more.
        in_container: Whether this process runs in a container.
    """

    by_worker: bool = False
    work_pool: str | None = None
    pool_type: str | None = None
    in_container: bool = False


def why_it_would_be_lost(
    where: RunEnvironment, *, named: bool, file: str | None, block: str | None = None
) -> str | None:
    """Why a ledger would not outlive a run, and what to do; None if it will.

    Args:
        where: Where the run runs.
        named: Whether the ledger has a URL. A file that was named is somebody's word, and taken for kept: on a volume,
            say. Only a relative path is not, since a worker makes a new folder for each run.
        file: The SQLite file, if it is one.
        block: The name under which the ledger's block was saved, if it was.
    """
    if not where.by_worker or file is None:
        return None
    if named:
        if Path(file).is_absolute():
            return None
        return (
            f"The ledger `{file}` is a path relative to the folder in which a worker happens to start a run, so the "
            "next run would not find it and could call everybody again: write the path from the root, as in "
            "`sqlite:////data/calls.db`. Nobody was called."
        )
    if where.pool_type == "process" and not where.in_container:
        return None
    worker = f"a worker of the work pool `{where.work_pool}`" if where.work_pool else "a worker"
    if where.pool_type not in (None, "process"):
        worker += f" (type {where.pool_type})"
    place = "in a container" if where.in_container else "in a place whose disk may go away with it"
    if block is None:
        which, what = "no ledger was chosen", "save a Call Ledger block with one and choose it as `ledger`"
    else:
        which, what = f"the Call Ledger block `{block}` has no database URL", "give that block one"
    return (
        f"This run was started by {worker}, {place}, and {which}: the ledger would be the file {file} there, and the "
        "next run might not know whom this one called. Use a PostgreSQL URL, or a SQLite file on a disk that stays, "
        f"such as `sqlite:////data/calls.db`: {what}. Nobody was called."
    )


def in_container(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process runs in a container: Docker, Podman or Kubernetes."""
    return "KUBERNETES_SERVICE_HOST" in environment or any(file.exists() for file in _CONTAINER_FILES)


async def run_environment() -> RunEnvironment:
    """Find out where the present run runs.

    Raises:
        prefect.exceptions.PrefectException: Prefect's server cannot be asked.
        httpx.HTTPError: It cannot be reached.
    """
    # Looks into the context, and for a subflow or a task asks the server, which must not hold up the event loop.
    deployment_id = await asyncio.to_thread(lambda: runtime.deployment.id)
    if deployment_id is None:
        return RunEnvironment()
    async with get_client() as client:
        try:
            pool = (await client.read_deployment(deployment_id)).work_pool_name
        except ObjectNotFound:
            # Deleted while its run waited: nobody can say any more where its runs were to run.
            return RunEnvironment(by_worker="PREFECT__WORKER_NAME" in os.environ, in_container=in_container())
        if pool is None:
            return RunEnvironment()
        try:
            kind: str | None = (await client.read_work_pool(pool)).type
        except ObjectNotFound:
            kind = None
    return RunEnvironment(by_worker=True, work_pool=pool, pool_type=kind, in_container=in_container())
