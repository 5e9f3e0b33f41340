"""Reading what comes back, whoever sent it: bodies no larger than they may be, and JSON of any kind.

Promises that neither a small body that unpacks to gigabytes nor JSON that most parsers choke on (deep, not a number,
half a character, a number of a thousand digits) does more than make one answer unreadable.
"""

import json
import math
import zlib
from typing import Any

import httpx
from pydantic_core import from_json

MAX_BODY_BYTES = 16 * 1024 * 1024
"""No answer of Hamsa's is nearly as large: a page of 200 calls has a tenth of a megabyte."""

MAX_DEPTH = 48
"""What is nested more deeply is left out: objects in lists in strings of JSON, all counted together."""

LEFT_OUT = "…"
"""Stands in the place of what is nested too deeply."""

_LONGEST_NUMBER_BITS = 1024


async def read_body(response: httpx.Response, limit: int = MAX_BODY_BYTES) -> bytes:
    """Read a streamed answer to its end, unpacked, if that is no more than `limit` bytes.

    Raises:
        httpx.DecodingError: It is larger, packed in a way that was not asked for, or not packed as it says.
    """
    packed = response.headers.get("content-encoding", "identity").strip().lower()
    if packed not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise httpx.DecodingError(f"the answer is packed as {packed[:40]!r}, which was not asked for")
    if response.is_stream_consumed:  # by a transport that made the answer up
        return await response.aread()
    unpack = None if packed in ("identity", "") else zlib.decompressobj(zlib.MAX_WBITS | 32)
    body = bytearray()
    async for piece in response.aiter_raw():
        try:
            body += piece if unpack is None else unpack.decompress(piece, limit + 1 - len(body))
        except zlib.error as error:
            raise httpx.DecodingError(f"the answer is not packed as it says ({error})") from None
        if len(body) > limit:
            raise httpx.DecodingError(f"the answer has more than {limit:,} bytes")
    if unpack is not None and body and not unpack.eof:
        raise httpx.DecodingError("the answer breaks off")
    return bytes(body)


def read_json(text: bytes | str) -> Any:
    """Parse JSON, and what is nearly JSON: NaN, halves of characters, numbers of any length.

    Raises:
        ValueError: It is none, or nested by the thousand.
    """
    try:
        return from_json(text)
    except ValueError:
        pass
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="replace")
    try:
        return json.loads(text, strict=False, parse_int=_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) < 300 else float(digits)


def storable(value: Any) -> Any:
    """Return a scalar as any database and any program can keep it: no NaN, no half characters, no endless number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER_BITS:
        return f"a number of {value.bit_length()} bits"
    return value
