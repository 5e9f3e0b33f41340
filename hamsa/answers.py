"""What an answer, or the lack of one, means: pure functions from what happened to the error to raise.

The one question behind all of it: may the phone have rung? Where that cannot be excluded, a POST is `Uncertain`.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any

import httpx

from hamsa.bodies import read_json
from hamsa.errors import HamsaError, NotPlaced, Refused, Unauthorized, Unavailable, Uncertain
from hamsa.plain_digits import ascii_digits
from hamsa.redaction import without_secrets

MAX_RETRY_AFTER_SECONDS = 3600.0
_MAX_TEXT = 300

# With these nothing was sent. Not among them: WriteError and WriteTimeout, as part of a request may be a request.
_NOTHING_WAS_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

_MAY_HAVE_RUNG = "The call may have been placed: find out before dialing again."


def error_for_failure(method: str, url: str, failure: Exception) -> HamsaError:
    """Return the error for a request that got no answer at all."""
    # A LocalProtocolError quotes the header it stumbled over, which may be ours with the key: name it, do not quote it.
    quote = str(failure) if not isinstance(failure, httpx.LocalProtocolError) else ""
    what = f"{type(failure).__name__}: {_clip(quote)}" if quote else type(failure).__name__
    if method != "POST":
        return Unavailable(f"No answer from Hamsa to {method} {url} ({what}).")
    if isinstance(failure, _NOTHING_WAS_SENT):
        return NotPlaced(f"No connection to Hamsa for {method} {url} ({what}), so nothing was sent.")
    return Uncertain(f"No answer from Hamsa to {method} {url} ({what}). {_MAY_HAVE_RUNG}")


def error_for_answer(
    method: str, url: str, status_code: int, headers: Mapping[str, str], *, body: bytes, now: datetime
) -> HamsaError:
    """Return the error for an answer whose status is not 2xx.

    Args:
        method: `GET` or `POST`.
        url: What was asked for, without the query.
        headers: Its headers, looked up without regard to case.
        now: The present moment, for a `Retry-After` that is a date.
    """
    text, message_key = describe_body(body)
    kind, message = _verdict(method, status_code, text or f"{method} {url} was answered with no text.")
    return kind(
        message,
        message_key=message_key,
        status_code=status_code,
        retry_after=parse_retry_after(headers.get("retry-after"), now=now),
    )


def _verdict(method: str, status_code: int, text: str) -> tuple[type[HamsaError], str]:
    if status_code in (401, 403):
        return Unauthorized, f"{text} Check the API key, its region and what it may do."
    if status_code in _REDIRECTS:
        said = f"Hamsa's API does not redirect: check base_url. ({text})"
        # Whatever redirects may have done something before. A wrong base_url fails at the first read anyway.
        return (Uncertain, f"{said} {_MAY_HAVE_RUNG}") if method == "POST" else (Refused, said)
    # Assumed: a 4xx other than 408 and 429 means that the call was not placed.
    if 400 <= status_code < 500 and status_code not in (408, 429) and (status_code, method) != (425, "GET"):
        return Refused, text
    if method != "POST":
        return Unavailable, text
    # Assumed: 429 means that the call was not placed. It is documented for another endpoint.
    if status_code == 429:
        return NotPlaced, text
    return Uncertain, f"{text} {_MAY_HAVE_RUNG}"


def error_for_unreadable(method: str, url: str, status_code: int, body: bytes) -> HamsaError:
    """Return the error for a 2xx answer in which what was asked for is not to be found."""
    text, message_key = describe_body(body)
    message = f"The answer to {method} {url} does not hold what was asked for; it says: {text or 'nothing.'}"
    if method == "POST":
        return Uncertain(f"{message} {_MAY_HAVE_RUNG}", message_key=message_key, status_code=status_code)
    return Unavailable(message, message_key=message_key, status_code=status_code)


def error_for_another(method: str, url: str, status_code: int, wanted: str, given: str) -> HamsaError:
    """Return the error for an answer about something else than what was asked for."""
    return Unavailable(
        f"{method} {url} was asked for {wanted} and answered with {_clip(given)}: nothing is known of {wanted}.",
        status_code=status_code,
    )


def describe_body(body: bytes) -> tuple[str, str | None]:
    """Return what a body says, for a person, and Hamsa's `messageKey` if there is one.

    Never raises, whatever the body is. Of JSON only the message, as the rest could be a job record with secrets
    in it; an HTML page is reduced to its title or its words; phone numbers are masked.
    """
    try:
        parsed: Any = without_secrets(read_json(body))
    except ValueError:
        return _describe_text(body.decode("utf-8", errors="replace")), None
    if not isinstance(parsed, dict):
        return (_sentence(_clip(parsed)) if isinstance(parsed, str) else "JSON, but no object."), None
    key = parsed.get("messageKey")
    said = parsed.get("message") or parsed.get("error") or parsed.get("detail") or ""
    if isinstance(said, dict):
        said = said.get("message") or list(said)
    if isinstance(said, list):
        said = "; ".join(str(part) for part in said)
    return _sentence(_clip(str(said))), _clip(key) if isinstance(key, str) and key else None


_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_NOT_WORDS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)


def _describe_text(text: str) -> str:
    text = text[:20_000].lstrip()  # enough of any page, and a huge one costs nothing
    if text.startswith(("{", "[")):
        return "JSON that is cut off or broken."
    if not text.startswith("<"):
        return _sentence(_clip(text))
    title = _TITLE.search(text)
    words = _clip(unescape(_NOT_WORDS.sub(" ", title.group(1) if title else text)))
    return f"an HTML page instead of an answer: {_sentence(words)}" if words else "an HTML page without words."


# International numbers however they are grouped, and long runs of digits: what an answer may quote of our request.
_PHONE_LIKE = re.compile(r"\+\d[\d ().-]{5,}\d|(?<![\w-])\d{9,15}(?![\w-])")


def _clip(text: str) -> str:
    """Make text fit into one line of a log: printable, single blanks, a few hundred characters, numbers masked."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _MAX_TEXT]).split())
    words = _mask_numbers(words)
    return words if len(words) <= _MAX_TEXT else f"{words[: _MAX_TEXT - 1]}…"


def _mask_numbers(text: str) -> str:
    plain = ascii_digits(text)
    shown = _PHONE_LIKE.sub(lambda number: f"•••••{number.group()[-4:]}", plain)
    return text if shown == plain else shown


def _sentence(text: str) -> str:
    return text if not text or text[-1] in ".!?…" else f"{text}."


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Return how many seconds a `Retry-After` header asks for, between 0 and one hour.

    Args:
        value: The header: a number of seconds or an HTTP date.
        now: The present moment, aware, from which a date counts.

    Returns:
        `None` where there is no header or nobody could make sense of it.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
            seconds = max(0.0, (_aware(until) - now).total_seconds())
        except (ValueError, OverflowError):
            return None
    if math.isnan(seconds) or seconds < 0:
        return None
    return min(seconds, MAX_RETRY_AFTER_SECONDS)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
