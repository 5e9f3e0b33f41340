"""Parts of a country: their codes, by whatever name a row or a policy writes them.

The names are those of the package `holidays`. A number does not tell in which part of its country somebody is.
"""

import importlib.util
import re
from functools import lru_cache

COMPLETE = frozenset({"US"})
"""Countries of which all parts are known by name, so that an unknown code is a slip."""

_CODE = re.compile(r"[A-Z0-9]{1,3}")
_HOLIDAYS_OF = {"FR-67": "FR-6AE", "FR-68": "FR-6AE"}
"""The two departments of Alsace, which the package knows as one."""


@lru_cache(maxsize=4096)
def part_of(country: str, text: str) -> str | None:
    """The code (`US-TX`) of the part that is written as `TX`, `US-TX`, `us_tx` or `Texas`; None if it is none.

    A code that the package does not know is taken for one, except in a country of which it knows all.
    """
    said = " ".join(text.replace(".", "").split())
    code = re.sub(rf"^{country}[-_ ]", "", said.upper())
    names = _names(country)
    if (found := names.get(said.casefold()) or names.get(code.casefold())) is not None:
        return f"{country}-{found}"
    if (country in COMPLETE and names) or _CODE.fullmatch(code) is None:
        return None
    return _HOLIDAYS_OF.get(f"{country}-{code}", f"{country}-{code}")


@lru_cache(maxsize=256)
def _names(country: str) -> dict[str, str]:
    """Codes by the names and codes of a country's parts, in lower case."""
    if importlib.util.find_spec("holidays") is None:
        return {}
    import holidays  # noqa: PLC0415 - slow to import

    try:
        calendar = holidays.country_holidays(country)
    except NotImplementedError:
        return {}
    codes = {code.casefold(): code for code in calendar.subdivisions}
    return codes | {name.casefold(): code for name, code in getattr(calendar, "subdivisions_aliases", {}).items()}
