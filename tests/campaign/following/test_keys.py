"""Our key is known in a record however it is written there; what is none is never taken for one."""

from typing import Any

import pytest

from campaign.following.keys import SHORTEST_CUT, shown_keys
from hamsa.models import JobRecord

KEY = "0123456789abcdef0123456789abcdef"
ANOTHER = "f" * 32


def holds(key: str, **fields: Any) -> bool:
    return shown_keys(JobRecord.model_validate({"id": "job-1", **fields})).hold(key)


@pytest.mark.parametrize(
    "value",
    [
        KEY,
        KEY.upper(),
        f"  {KEY}\n",
        f'"{KEY}"',
        f"key={KEY};",
        "01234567-89AB-cdef-0123-456789abcdef",
        KEY[:SHORTEST_CUT],
        KEY[-SHORTEST_CUT:],
        f'{{"v": "{KEY}"}}',
        [KEY],
        {"value": KEY},
    ],
    ids=["sent", "upper", "padded", "quoted", "within", "dashed", "begin", "end", "json", "list", "object"],
)
def test_a_key_is_known_however_it_is_written(value: Any) -> None:
    for fields in ({"params": {"call_key": value}}, {"agentDetails": {"params": {"callKey": value}}}):
        assert holds(KEY, **fields)
        assert not holds(ANOTHER, **fields)


@pytest.mark.parametrize(
    "value",
    [None, "", "•••", KEY[: SHORTEST_CUT - 1], KEY[::-1], f"{KEY[:4]}…{KEY[-4:]}", 7, [], {}],
    ids=["null", "empty", "hidden", "short", "reversed", "masked", "number", "list", "object"],
)
def test_what_may_be_anybodys_is_no_key(value: Any) -> None:
    assert not holds(KEY, params={"call_key": value})


def test_a_key_that_was_cut_off_counts_only_where_a_key_belongs() -> None:
    assert not holds(KEY, title=KEY[:20])
    assert holds(KEY, title=KEY)
