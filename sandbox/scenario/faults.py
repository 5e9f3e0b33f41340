"""What can go wrong with a request, as a table: how the sandbox answers, and whether the phone rings all the same.

A fault is drawn per request from the seed, the number and how many requests that number has had, so that the order in
which different numbers are called changes nothing.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Manner(StrEnum):
    """How a fault shows itself to the client."""

    ERROR = "error"
    """A status with Hamsa's JSON error body."""
    HTML = "html"
    """A status with a proxy's HTML page."""
    CLOSE = "close"
    """The connection is closed without an answer."""
    NO_CONNECTION = "no_connection"
    """No connection is made. Only in process; over TCP it is like `CLOSE`."""
    GARBAGE = "garbage"
    """A success whose body is cut off."""
    NO_ID = "no_id"
    """A success whose data holds no id."""
    SAYS_NO = "says_no"
    """A success whose message says no, without a job."""
    NOBODYS_ID = "nobodys_id"
    """A success that names a job which does not exist."""
    REDIRECT = "redirect"
    """A status that sends the client elsewhere."""
    SLOW = "slow"
    """The right answer, `slow_seconds` later."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault."""

    manner: Manner
    places: bool
    """Whether a call is placed, and the phone rings, although the caller may not learn of it."""
    says: str
    """What it is, for the docs."""
    status: int = 0
    message_key: str = ""
    message: str = ""
    rings_late: bool = False
    """The call is placed only after `slow_seconds`, when the client may have gone."""
    hints: bool = False
    """The answer carries Retry-After."""


FAULTS: Mapping[str, Fault] = {
    "refused": Fault(
        Manner.ERROR,
        places=False,
        says="refused with 400",
        status=400,
        message_key="CallRefused",
        message="The call was refused by the sandbox's scenario",
    ),
    "no_credit": Fault(
        Manner.ERROR,
        places=False,
        says="refused with 402, as without credit",
        status=402,
        message_key="InsufficientBalance",
        message="The account has no credit left",
    ),
    "unauthorized": Fault(
        Manner.ERROR,
        places=False,
        says="refused with 401, as after the key was rotated",
        status=401,
        message_key="KeyRotated",
        message="The API key was rotated",
    ),
    "forbidden": Fault(
        Manner.ERROR,
        places=False,
        says="refused with 403, as with a key for another agent",
        status=403,
        message_key="KeyNotForAgent",
        message="The API key is not for this agent",
    ),
    "rate_limited": Fault(
        Manner.ERROR,
        places=False,
        says="429 with Retry-After",
        status=429,
        message_key="ApiKeyRateLimited",
        message="Too many requests for this API key",
        hints=True,
    ),
    "error_before": Fault(
        Manner.ERROR,
        places=False,
        says="500 before placing: no ring",
        status=500,
        message_key="InternalServerError",
        message="Internal server error",
    ),
    "html_502": Fault(Manner.HTML, places=False, says="502 with an HTML body before placing: no ring", status=502),
    "lost_request": Fault(Manner.CLOSE, places=False, says="the connection closes before placing: no ring"),
    "no_connection": Fault(
        Manner.NO_CONNECTION,
        places=False,
        says="no connection is made (in process; over TCP like `lost_request`)",
    ),
    "slow": Fault(Manner.SLOW, places=True, says="placed at once, answered after `slow_seconds`"),
    "late_ring": Fault(
        Manner.SLOW,
        places=True,
        says="placed and answered only after `slow_seconds`, even if the client has gone by then",
        rings_late=True,
    ),
    "lost_answer": Fault(Manner.CLOSE, places=True, says="placed, then the connection closes without an answer"),
    "error_after": Fault(
        Manner.ERROR,
        places=True,
        says="500 after placing: the phone rings",
        status=500,
        message_key="InternalServerError",
        message="Internal server error",
    ),
    "html_504": Fault(
        Manner.HTML, places=True, says="504 with an HTML body after placing: the phone rings", status=504
    ),
    "unreadable": Fault(Manner.GARBAGE, places=True, says="placed, answered with a body that is cut off", status=200),
    "no_id": Fault(Manner.NO_ID, places=True, says="placed, answered with a success that names no job", status=200),
    "says_no": Fault(
        Manner.SAYS_NO,
        places=False,
        says="200 that says in words that the balance is insufficient: no ring",
        status=200,
        message="Insufficient balance to place this call",
    ),
    "says_no_after": Fault(
        Manner.SAYS_NO,
        places=True,
        says="placed, answered with a 200 that says in words that it failed",
        status=200,
        message="Failed to start the call",
    ),
    "refused_after": Fault(
        Manner.ERROR,
        places=True,
        says="400 after placing: the phone rings",
        status=400,
        message_key="CallRefused",
        message="The call was refused by the sandbox's scenario",
    ),
    "rate_limited_after": Fault(
        Manner.ERROR,
        places=True,
        says="429 with Retry-After after placing: the phone rings",
        status=429,
        message_key="ApiKeyRateLimited",
        message="Too many requests for this API key",
        hints=True,
    ),
    "nobodys_id": Fault(
        Manner.NOBODYS_ID, places=False, says="a success that names a job which does not exist: no ring", status=200
    ),
    "nobodys_id_after": Fault(
        Manner.NOBODYS_ID, places=True, says="placed, answered with a success that names another job", status=200
    ),
    "redirect": Fault(Manner.REDIRECT, places=False, says="307 to elsewhere before placing: no ring", status=307),
    "redirect_after": Fault(Manner.REDIRECT, places=True, says="placed, then 302 to elsewhere", status=302),
}

NO_FAULT = "ok"
"""In a script: this request goes well, whatever the scenario's chances say."""


def draw_fault(chance: random.Random, chances: Mapping[str, float]) -> str | None:
    """Return the kind of fault that this request meets, or none.

    Args:
        chance: The request's own source of randomness.
        chances: Kind to probability; together at most 1.
    """
    mark = chance.random()
    for kind, probability in chances.items():
        mark -= probability
        if mark < 0:
            return kind
    return None
