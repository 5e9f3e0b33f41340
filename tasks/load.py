"""Load: the rows of a campaign and its do-not-call list, before anybody is called."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from campaign.intake import ColumnMapping, CsvFile, DoNotCallList, Source, SourceUnavailable, SqlQuery
from campaign.unexpected import redact_unexpected_errors
from runtime.annotations import as_one, unwrapped
from runtime.retries import only_after
from runtime.sources import Mappings, Rows, numbers_in


def _name_of_source() -> str:
    source = unwrapped(task_run.parameters["source"])
    return f"load {source if isinstance(source, SqlQuery | CsvFile) else 'rows'}"


@task(
    name="load",
    task_run_name=_name_of_source,
    retries=2,
    retry_delay_seconds=[2, 10],
    retry_condition_fn=only_after(SourceUnavailable),
    cache_policy=NO_CACHE,
    persist_result=False,
)
@redact_unexpected_errors
async def load(
    source: Source | Mappings,
    *,
    columns: ColumnMapping | None = None,
    default_region: str | None = None,
    id_needed: bool = True,
) -> Rows:
    """Read a source to its end.

    The rows lie on disk until they are closed: they are a context manager.

    Args:
        source: A query, a file, or mappings.
        columns: Which keys of mappings hold what; a query or file has its own.
        default_region: Country of national numbers in mappings; a query or file has its own.
        id_needed: Whether each row has to have an id.

    Raises:
        SourceUnavailable: The database cannot be reached; the task is retried.
        SourceError: Something else is wrong with the source. Nobody was called.
    """
    rows = Rows(source, columns=columns, default_region=default_region, id_needed=id_needed)
    try:
        await rows.read()
    except BaseException:
        rows.close()
        raise
    return rows


async def load_do_not_call(source: Source) -> DoNotCallList:
    """The numbers in a source, in E.164, of every kind of line.

    Raises:
        SourceError: The source cannot be read, or a row of it is not understood: it names the line and the cell.
    """
    with await load(as_one(source), id_needed=False) as rows:
        return await numbers_in(rows)
