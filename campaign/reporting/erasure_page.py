"""What an erasure came to, for whoever has to answer for it: what went, what stays, and what others still hold."""

from campaign.ledger import Erased
from campaign.wording import counted

MOST_LISTED = 200
"""Runs and calls that are listed."""


def erasure_headline(erased: Erased, by: str, *, done: bool) -> str:
    """One sentence or two.

    Args:
        by: Who decided so.
        done: Whether the ledger's file is cleaned and the log written.
    """
    went = f"{counted(erased.calls, 'call')} and {counted(erased.refusals, 'reason')} not to call"
    words = f"The person was erased by {by}: {went}."
    if erased.open_calls:
        are, they = ("is", "it ends") if erased.open_calls == 1 else ("are", "they end")
        words += f" {counted(erased.open_calls, 'call')} {are} not over yet, and erased when {they}."
    if not done:
        words += " The ledger's file is cleaned when it is next opened."
    return words


def erasure_page(erased: Erased, headline: str) -> str:
    """Markdown. It names nobody: runs and calls by their ids alone."""
    barred = any(each.barred for each in erased.entries)
    parts = [
        headline,
        "## What stays in the ledger",
        "Under pseudonyms, which only the ledger's own key makes: how often and when they were called, what they cost, "
        "and their opt-outs, so that caps, attempts and refusals hold for whoever has the number or the id. "
        + ("They are not called at all until somebody lifts that (`lift-opt-out`)." if barred else ""),
    ]
    if erased.open_calls:
        parts.append(
            f"{counted(erased.open_calls, 'call')} could not be erased yet, because nobody knows the end. Number and "
            "id stay until it is known, and go in the same moment; `settle-calls` finds out, or a person says so."
        )
    parts += [
        "## What you have to remove elsewhere",
        (
            "- **Your source, warehouse and do-not-call lists**: as long as a source names them, each run reads them.\n"
            "- **The webhook receiver's store**: it empties itself of them within the hour.\n"
            "- **Copies of the ledger**: they still hold them. A copy that comes back is erased again by the log of "
            "erasures, if that lies where it did.\n"
            "- **Prefect**: runs that named them, with their logs and parameters, and what these runs wrote "
            "(artifacts, events until they expire, results where you keep them).\n"
            "- **Hamsa**: recordings, transcripts and job records of the calls. Its API has no way to delete them: ask "
            "its support, by the ids below."
        ),
    ]
    if erased.run_ids:
        parts += [
            "### Flow runs that called them, or did not",
            (
                "`prefect flow-run delete ID` removes a run and its logs, `prefect artifact delete --id` its pages. "
                "Runs of `call-customer`, `explain-customer` and `lift-opt-out` that were given their id or number "
                "hold it as a parameter. This run took its own back."
            ),
            _listed(erased.run_ids),
        ]
    if erased.job_ids:
        parts += ["### Calls at Hamsa", _listed(erased.job_ids)]
    return "\n\n".join(parts)


def _listed(ids: list[str]) -> str:
    more = len(ids) - MOST_LISTED
    rest = [f"- and {more} more, by `erasure` in `call_attempts`"] if more > 0 else []
    return "\n".join([*(f"- `{each}`" for each in ids[:MOST_LISTED]), *rest])
