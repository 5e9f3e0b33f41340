"""What can go wrong between us and Hamsa, sorted by what the caller must do about it.

    HamsaError(message, message_key, status_code, retry_after)
    ├─ NotPlaced        the call surely did not happen: no connection was made, or 429   → try again
    ├─ Refused          Hamsa said no: 400, 402, 404, 409, 422 …                         → fix the input
    │  └─ Unauthorized  401, 403                                                        → stop the campaign at once
    ├─ Uncertain        a POST was sent and nobody knows: timeout, reset, 5xx …          → settle; never try again
    └─ Unavailable      a GET got no usable answer                                      → simply look again later

Errors are plain data: they hold no request, no response and no key, and they survive pickling, so that they can cross
processes and be stored as results.
"""


class HamsaError(Exception):
    """Anything that kept a request to Hamsa from being answered as asked.

    Args:
        message: What happened, for a person. Holds no API key; phone numbers in it are masked.
        message_key: Hamsa's own name for the error, such as `ApiKeyRateLimited`, where it sent one.
        status_code: The HTTP status, where there was an answer at all.
        retry_after: Seconds that Hamsa asked us to wait, already bounded, where it asked.
    """

    def __init__(
        self,
        message: str,
        *,
        message_key: str | None = None,
        status_code: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        # `args` holds the message alone; pickle carries the rest in `__dict__`, so no `__reduce__` is needed.
        super().__init__(message)
        self.message = message
        self.message_key = message_key
        self.status_code = status_code
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Lead with what support asks for first: `429 ApiKeyRateLimited: too many requests`."""
        lead = " ".join(str(part) for part in (self.status_code, self.message_key) if part is not None)
        return f"{lead}: {self.message}" if lead else self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class NotPlaced(HamsaError):
    """The call surely was not placed: the same attempt may be tried again, after `retry_after` where it is given."""


class Refused(HamsaError):
    """Hamsa said no, and will say no again: the input has to change before another try makes sense."""


class Unauthorized(Refused):
    """The API key is wrong, was rotated, or may not use this agent: every other call would fail the same way."""


class Uncertain(HamsaError):
    """A POST went out and nobody knows whether the phone rang: find out first, and do not try again."""


class Unavailable(HamsaError):
    """A GET got no usable answer (no connection, timeout, 429, 5xx, unreadable): looking again later is harmless."""
