"""Errors are plain data that cross processes."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

from hamsa import HamsaError, NotPlaced, Refused, Unauthorized, Unavailable, Uncertain

ALL = [HamsaError, NotPlaced, Refused, Unauthorized, Uncertain, Unavailable]


def _raise(error: HamsaError) -> None:
    raise error


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_survives_pickling_with_all_it_knows(kind: type[HamsaError], protocol: int) -> None:
    error = kind("too many requests", message_key="ApiKeyRateLimited", status_code=429, retry_after=2.5)
    copy = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - our own bytes
    assert type(copy) is kind
    assert (copy.message, copy.message_key, copy.status_code, copy.retry_after) == (
        "too many requests",
        "ApiKeyRateLimited",
        429,
        2.5,
    )
    assert str(copy) == str(error) == "429 ApiKeyRateLimited: too many requests"


def test_an_error_raised_in_another_process_arrives_as_itself() -> None:
    error = Uncertain("nobody knows", status_code=502)
    # Started afresh, as on every platform: nothing is shared but what is pickled.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool, pytest.raises(Uncertain) as raised:
        pool.submit(_raise, error).result(timeout=60)
    assert raised.value.status_code == 502
    assert str(raised.value) == "502: nobody knows"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Refused("no", status_code=422, message_key="BadNumber"), "422 BadNumber: no"),
        (Refused("no", status_code=422), "422: no"),
        (Refused("no", message_key="BadNumber"), "BadNumber: no"),
        (NotPlaced("no connection"), "no connection"),
    ],
)
def test_the_text_leads_with_status_and_message_key(error: HamsaError, text: str) -> None:
    assert str(error) == text
    assert repr(error) == f"{type(error).__name__}({text!r})"


def test_unauthorized_is_caught_as_refused_and_nothing_else_is() -> None:
    assert [kind for kind in ALL if issubclass(kind, Refused)] == [Refused, Unauthorized]
    assert all(issubclass(kind, HamsaError) for kind in ALL)
