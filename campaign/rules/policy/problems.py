"""What is wrong with a policy, in sentences: a value that a field does not take, holidays that nobody knows."""

import importlib.util
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from campaign.errors import CampaignError


class PolicyError(CampaignError):
    """The policy asks for something that cannot be done here. `str()` says what, and what to do."""


def policy_problems(error: ValidationError) -> list[str]:
    """What is wrong with a policy, one sentence for each value: the field, what it was given, what it takes."""
    return [_sentence(problem) for problem in error.errors(include_url=False)]


def _sentence(problem: Any) -> str:
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in problem["loc"])
    text = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"`{place}` {text}." if place else f"{text}."
    if problem["type"] == "extra_forbidden":
        return f"`{place}` is not a field of a calling policy; remove it."
    if problem["type"] == "missing":
        return f"`{place}` is missing."
    return f"`{place}` is {problem['input']!r}, but should be {text.removeprefix('Input should be ')}."


def check_holidays(places: Mapping[str, Iterable[str]], preset: str) -> None:
    """Make sure that the holidays which a policy keeps can be looked up.

    Args:
        places: Whose, by the field that names them.
        preset: What the policy starts from.

    Raises:
        PolicyError: They cannot.
    """
    if importlib.util.find_spec("holidays") is None:
        raise PolicyError(
            f"The calling policy (preset `{preset}`) keeps public holidays, but the package `holidays` is not "
            "installed; run `pip install holidays`, or set `holidays` to `open` and `holiday_countries` to none."
        )
    import holidays  # noqa: PLC0415 - optional, and slow to import

    known = holidays.list_supported_countries(include_aliases=True)
    for field, place in ((field, place) for field, theirs in places.items() for place in theirs):
        country, _, part = place.partition("-")
        if country not in known:
            raise PolicyError(f"`{field}` names {place}, of which no holidays are known; remove it.")
        # A part in `by_place` is known to be one, and has the holidays of the whole if it has none of its own.
        if part and part not in known[country] and field != "by_place":
            raise PolicyError(f"`{field}` names {place}, but {country} has no such part; write {country}.")
