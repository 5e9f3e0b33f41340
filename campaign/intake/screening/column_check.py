"""Whether a source has the columns that a campaign needs, each once and under a name that is not taken."""

import re
from collections.abc import Sequence

from campaign.agent import CALL_KEY
from campaign.intake.cells import quoted
from campaign.intake.column_names import may_say_call, may_say_do_not_call
from campaign.intake.recipients import (
    ID_COLUMNS,
    TERMS,
    ColumnMapping,
    Columns,
    SourceError,
)
from campaign.intake.screening.due_filter import DueFilter
from campaign.intake.texts import clean

_NAME_LIKE = re.compile(r"[\w .,()#/%&'?\u200c\u200d-]{1,100}")


_COLUMNS_SHOWN = 20


CALL_KEY_TAKEN = f"the column {CALL_KEY} has a name that every call uses for its own key; rename it"


def check_columns(
    names: Sequence[str], mapping: ColumnMapping, due_filter: DueFilter | None = None, *, id_needed: bool = True
) -> None:
    """Make sure that a source has the columns that a campaign needs.

    Args:
        names: The source's columns, in order, as they are written there.
        due_filter: What else has to be there.
        id_needed: Whether there has to be an id, as in every list of people to call.

    Raises:
        SourceError: A column is missing, stands there twice, or has a name that is taken.
    """
    named = [name for name in map(clean, names) if name]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise SourceError(
            f"more than one column is called {_listed(twice)}; give each column a name of its own, in a query with AS"
        )
    if CALL_KEY in named:
        raise SourceError(CALL_KEY_TAKEN)
    found = Columns.of(names, mapping)
    wanted = {"phone": mapping.phone, **mapping.named()}
    if id_needed:
        doubtful = [name for name in named if may_say_do_not_call(name)]
        if doubtful and not found.do_not_call:
            raise SourceError(
                f"the column {_listed(doubtful)} may say who is not to be called; name it in the source's `columns` as "
                "`do_not_call`, or give it another name"
            )
        doubtful = [name for name in named if may_say_call(name)]
        if doubtful and not (found.consent or found.consent_at):
            raise SourceError(
                f"the column {_listed(doubtful)} may say who agreed to be called; name it in the source's `columns` as "
                "`consent`, or give it another name"
            )
        wanted["id"] = mapping.id or " or ".join(ID_COLUMNS)
    if due_filter is not None and due_filter.min_days_overdue is not None:
        wanted["due_date"] = mapping.due_date
    if due_filter is not None and due_filter.min_amount is not None:
        wanted["amount"] = mapping.amount
    _check_alike(named, found)
    for field, column in wanted.items():
        if not getattr(found, field):
            raise SourceError(
                f"there is no column {column} (found: {_listed(named)}); rename one, or say in the source's `columns` "
                f"which one is the `{field}`"
            )


def _check_alike(names: Sequence[str], found: Columns) -> None:
    """Make sure that a column whose meaning matters has no twin that differs in upper and lower case alone."""
    terms = (getattr(found, field) for field in TERMS)
    for column in (found.id, found.phone, found.region, found.timezone, found.due_date, found.amount, *terms):
        twins = [name for name in names if column is not None and name.casefold() == clean(column).casefold()]
        if len(twins) > 1:
            raise SourceError(
                f"the columns {_listed(twins)} differ in upper and lower case alone, so nobody knows which is meant; "
                "rename one"
            )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(_shown(name) for name in names[:_COLUMNS_SHOWN]) or "none"
    return f"{shown} and {len(names) - _COLUMNS_SHOWN} more" if len(names) > _COLUMNS_SHOWN else shown


def _shown(name: str) -> str:
    """A column's name; not what is none, such as the first line of a file that was taken for a list of people."""
    return quoted(name)[1:-1] if _NAME_LIKE.fullmatch(name) is not None else f"a text of {len(name)} characters"
