"""What nobody foresaw is shown by its kind and place; what somebody foresaw passes as it is."""

import logging

import httpx
import pytest

from campaign.errors import LedgerError, UnexpectedError
from campaign.unexpected import kind_of, redact_unexpected_errors
from hamsa import Uncertain


async def test_an_unforeseen_error_keeps_its_text_to_itself(caplog: pytest.LogCaptureFixture) -> None:
    @redact_unexpected_errors
    async def divide(number: str) -> None:
        text = f"{number} cannot be divided"
        raise ZeroDivisionError(text)

    with caplog.at_level(logging.ERROR), pytest.raises(UnexpectedError, match=r"\(ZeroDivisionError\)") as caught:
        await divide("+442079460012")
    assert "in divide" in caplog.text
    assert "2079460012" not in caplog.text
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("error", [LedgerError("it is away"), Uncertain("no answer")])
async def test_what_was_foreseen_passes(error: Exception) -> None:
    @redact_unexpected_errors
    async def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await fail()
    assert caught.value is error


def test_a_kind_names_where_it_comes_from() -> None:
    assert kind_of(httpx.ConnectError("no")) == "httpx.ConnectError"
    assert kind_of(ValueError("no")) == "ValueError"
