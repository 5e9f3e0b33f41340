"""What an answer means is decided by one question: may the phone have rung?"""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamsa import HamsaError, NotPlaced, Refused, Unauthorized, Unavailable, Uncertain
from hamsa.answers import (
    MAX_RETRY_AFTER_SECONDS,
    describe_body,
    error_for_answer,
    error_for_failure,
    error_for_unreadable,
    parse_retry_after,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def answer(method: str, status: int, body: bytes = b'{"message": "Oh."}', **headers: str) -> HamsaError:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_for_answer(method, "/v1/x", status, httpx.Headers(headers), body=body, now=NOW)


@pytest.mark.parametrize(
    ("statuses", "post", "get"),
    [
        ([401, 403], Unauthorized, Unauthorized),
        ([400, 402, 404, 405, 409, 413, 415, 418, 422, 451, 499], Refused, Refused),
        ([429], NotPlaced, Unavailable),
        ([408], Uncertain, Unavailable),
        ([425], Refused, Unavailable),
        ([301, 302, 303, 307, 308], Uncertain, Refused),
        ([300, 304, 305], Uncertain, Unavailable),
        ([500, 501, 502, 503, 504, 520, 599, 999], Uncertain, Unavailable),
        ([100, 199], Uncertain, Unavailable),
    ],
)
def test_every_status_has_one_meaning(statuses: list[int], post: type[HamsaError], get: type[HamsaError]) -> None:
    for status in statuses:
        assert type(answer("POST", status)) is post, status
        assert type(answer("GET", status)) is get, status
        assert answer("POST", status).status_code == status


@pytest.mark.parametrize("status", [301, 308])
def test_a_redirect_names_the_setting_to_check(status: int) -> None:
    assert "base_url" in str(answer("POST", status, b""))


@given(status=st.integers(100, 599).filter(lambda s: not 200 <= s < 300), body=st.binary(max_size=200))
def test_no_body_can_break_the_description_of_an_error(status: int, body: bytes) -> None:
    error = answer("POST", status, body)
    assert str(error).startswith(str(status))
    assert str(error).isprintable()
    assert len(str(error)) < 1000


@pytest.mark.parametrize(
    ("failure", "post"),
    [
        *((httpx.ConnectError("refused"), NotPlaced), (httpx.ConnectTimeout(""), NotPlaced)),
        *((httpx.PoolTimeout(""), NotPlaced), (httpx.ProxyError("407"), NotPlaced)),
        (httpx.UnsupportedProtocol("gopher"), NotPlaced),
        *((httpx.ReadTimeout(""), Uncertain), (httpx.WriteTimeout(""), Uncertain), (httpx.ReadError(""), Uncertain)),
        *((httpx.WriteError(""), Uncertain), (httpx.CloseError(""), Uncertain), (httpx.DecodingError("?"), Uncertain)),
        (httpx.RemoteProtocolError("Server disconnected"), Uncertain),
        (httpx.LocalProtocolError("Illegal header value b'Token hush'"), Uncertain),
        *((TimeoutError(), Uncertain), (OSError(5, "broken"), Uncertain), (RuntimeError("odd"), Uncertain)),
    ],
)
def test_a_failure_before_anything_was_sent_is_not_placed_and_any_other_uncertain(
    failure: Exception, post: type[HamsaError]
) -> None:
    error = error_for_failure("POST", "/v1/x", failure)
    assert type(error) is post
    assert type(failure).__name__ in str(error)
    assert "hush" not in str(error)
    assert type(error_for_failure("GET", "/v1/x", failure)) is Unavailable


@pytest.mark.parametrize(
    ("body", "text", "key"),
    [
        (b'{"message": "Too many", "messageKey": "ApiKeyRateLimited"}', "Too many.", "ApiKeyRateLimited"),
        (
            b'{"message": "No", "messageKey": "Wrong", "params": {"field": "toNumber", "apiKey": "hush"}}',
            "No.",
            "Wrong",
        ),
        (b'{"message": ["toNumber is wrong", "params is wrong"]}', "toNumber is wrong; params is wrong.", None),
        (b'{"message": {"message": "nested"}}', "nested.", None),
        (b'{"message": {"fields": 1, "apiKey": "hush"}}', "fields.", None),
        (b'{"message": "{\\"apiKey\\": \\"hush\\"}"}', "{}.", None),
        (b'{"error": "Nope!"}', "Nope!", None),
        (b'{"detail": "Not Found", "messageKey": 7}', "Not Found.", None),
        (b'{"message": null, "messageKey": null}', "", None),
        (b"<html><head><title>502 Bad&nbsp;Gateway</title></head><body>nginx</body></html>", "502 Bad Gateway", None),
        (b"<html><style>p {}</style><p>Down for\n maintenance</p></html>", "Down for maintenance.", None),
        (b"<!DOCTYPE html>", "without words", None),
        (b"upstream connect error", "upstream connect error.", None),
        (b"\xff\xfe\x00", "", None),
        (b"", "", None),
        (b'"plain"', "plain.", None),
        (b'[{"apiKey": "hush"}]', "JSON, but no object.", None),
        (b'{"data": {"apiKey": "hush"', "cut off or broken", None),
    ],
)
def test_a_body_is_described_in_words_and_never_quoted_whole(body: bytes, text: str, key: str | None) -> None:
    shown, shown_key = describe_body(body)
    assert text in shown
    assert shown_key == key
    assert "hush" not in shown


def test_a_long_body_is_cut() -> None:
    assert len(describe_body(b"x " * 100_000)[0]) <= 301
    assert len(describe_body(b"<p>" + b"y" * 1_000_000)[0]) <= 400


@pytest.mark.parametrize(
    "text",
    [
        "No route to +12125550123",
        "+1 212 555 0123 is busy",
        "call 12125550123 now",
        "(+1-212-555-0123)",
        "+1\u2011212\u2011555\u20110123 is busy",
        "+1\u00a0212\u2013555\u22120123 is busy",
        "No route to \uff0b12125550123",
        "No route to +1212\u200b5550123",
        "No route to +" + "12125550123".translate({ord("0") + n: chr(0x660 + n) for n in range(10)}),
    ],
    ids=ascii,
)
def test_a_phone_number_that_hamsa_repeats_is_masked(text: str) -> None:
    shown, _ = describe_body(httpx.Response(422, json={"message": text}).content)
    assert "•••••0123" in shown
    assert "555" not in shown


def test_an_id_or_a_time_is_not_taken_for_a_phone_number() -> None:
    text = "Job 7d1f0c9e-1234-4a5b-8c9d-123456789012 of 2026-01-02T03:04:05+00:00 failed."
    assert describe_body(httpx.Response(422, json={"message": text}).content)[0] == text


def test_an_unreadable_answer_to_a_post_is_uncertain_and_to_a_get_unavailable() -> None:
    body = b'{"message": "success", "messageKey": "Odd"}'
    for method, kind in (("POST", Uncertain), ("GET", Unavailable)):
        error = error_for_unreadable(method, "/v1/x", 200, body)
        assert type(error) is kind
        assert str(error).startswith("200 Odd: ")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        *(("0", 0.0), ("7", 7.0), (" 7 ", 7.0), ("1.5", 1.5), ("86400", MAX_RETRY_AFTER_SECONDS)),
        *(("3599", 3599.0), ("3600", 3600.0), ("3601", 3600.0), ("-0.5", None)),
        *(("1e999", MAX_RETRY_AFTER_SECONDS), ("inf", MAX_RETRY_AFTER_SECONDS), ("nan", None), ("-5", None)),
        *(("", None), ("soon", None), (None, None), ("Thu, 99 Foo 2026 00:00:00 GMT", None)),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:04:35", 30.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
        (format_datetime(NOW + timedelta(days=400)), MAX_RETRY_AFTER_SECONDS),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_bounded(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, now=NOW) == seconds


@given(st.one_of(st.text(), st.floats().map(str), st.datetimes().map(lambda moment: f"{moment:%a, %d %b %Y %H:%M:%S}")))
def test_no_retry_after_can_break_the_description_or_leave_the_bounds(header: str) -> None:
    seconds = parse_retry_after(header, now=NOW)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_SECONDS


def test_retry_after_is_kept_on_every_kind_of_error() -> None:
    assert answer("POST", 429, retry_after="7").retry_after == 7
    assert answer("GET", 503, Retry_After="7").retry_after == 7
