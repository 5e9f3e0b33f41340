"""The ways this Hamsa answers, or does not.

A lost answer is an exception that leaves the application (`AnswerLost`): in process it reaches the transport, over TCP
the server closes the connection. So nothing that looks like an answer is ever sent.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.responses import HTMLResponse, Response

from sandbox.scenario import Fault, Manner

_HTML = """<html>
<head><title>{status} {phrase}</title></head>
<body><center><h1>{status} {phrase}</h1></center><hr><center>nginx</center></body>
</html>
"""
_PHRASES = {502: "Bad Gateway", 504: "Gateway Time-out"}


class AnswerLost(Exception):
    """The client gets no answer to this request, whatever was done. In process the transport sees this exception."""


class NotConnected(AnswerLost):
    """The client gets no connection. In process only; over TCP it sees a lost answer."""


class Json(Response):
    """A JSON answer, written compactly."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return `content` as JSON."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


class Problem(Exception):
    """The request is answered with Hamsa's error body.

    Args:
        status: HTTP status.
        message_key: Hamsa's name for the error.
        message: What is wrong, for a person.
        params: What the message is about, by name.
        retry_after: Seconds for the Retry-After header, if there is to be one.
    """

    def __init__(
        self,
        status: int,
        message_key: str,
        message: str,
        *,
        params: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message_key = message_key
        self.message = message
        self.params = params
        self.retry_after = retry_after

    def answer(self) -> Response:
        """The answer that says so."""
        body: dict[str, Any] = {"message": self.message, "messageKey": self.message_key}
        if self.params:
            body["params"] = dict(self.params)
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        return Json(body, self.status, headers=headers)


def fail_with(fault: Fault, retry_after: int | None) -> Response:
    """Return the answer that a fault gives instead of the right one.

    Args:
        fault: A fault whose manner is to say no, or nothing at all.
        retry_after: Seconds for the Retry-After header, where the fault hints when to come again.

    Raises:
        Problem: The fault is an error with a JSON body.
        AnswerLost: There is no answer.
    """
    if fault.manner is Manner.ERROR:
        hint = retry_after if fault.hints else None
        raise Problem(fault.status, fault.message_key, fault.message, retry_after=hint)
    if fault.manner is Manner.HTML:
        return HTMLResponse(_HTML.format(status=fault.status, phrase=_PHRASES[fault.status]), fault.status)
    if fault.manner is Manner.SAYS_NO:
        return Json({"success": False, "message": fault.message, "data": None}, fault.status)
    if fault.manner is Manner.NOBODYS_ID:
        data = {"id": str(uuid.uuid4()), "status": "PENDING"}
        return Json({"success": True, "message": "success", "data": data}, fault.status)
    if fault.manner is Manner.REDIRECT:
        return Response(status_code=fault.status, headers={"location": "https://elsewhere.invalid/"})
    if fault.manner is Manner.NO_CONNECTION:
        raise NotConnected(fault.says)
    raise AnswerLost(fault.says)


def spoil(response: Response, fault: Fault) -> Response:
    """Return the right answer as a fault leaves it: cut off, or without what matters; or as it was."""
    if fault.manner is Manner.GARBAGE:
        body = bytes(response.body)
        return Response(body[: len(body) // 2], fault.status, media_type="application/json")
    if fault.manner is Manner.NO_ID:
        return Json({"success": True, "message": "success", "data": {}}, fault.status)
    return response
