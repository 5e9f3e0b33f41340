"""Keeps what is secret out of whatever Hamsa sends us.

Job records come with the agent's own credentials inside (`llmConfig.apiKey`, `webhookAuth.authSecret`), and texts may
hold others (a tool's `Bearer …`, a URL with its password). They are dropped here, before a model sees them, so that
nothing later can store, log or show them.
"""

import re
from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from hamsa.bodies import LEFT_OUT, MAX_DEPTH, read_json, storable

BLOT = "•••"
"""What stands in the place of a secret within a text."""

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_SECRET_WORDS = frozenset(
    {
        *(
            "key",
            "keys",
            "apikey",
            "apikeys",
            "secret",
            "secrets",
            "token",
            "tokens",
            "password",
            "passwords",
            "passwd",
        ),
        *("passwd", "pwd", "passphrase", "credential", "credentials", "authorization", "auth", "oauth", "bearer"),
    }
)
# For names whose words run together: `accesstoken`, `authsecret`, `aPiKeY`.
_SECRET_ENDINGS = ("apikey", "authkey", "accesskey", "secretkey", "privatekey", "secret", "token", "password")
# These mean other things as well: only where they stand alone or last (`pass`, `sipPin`, not `pin_code`), and no yes.
_SHORT_SECRETS = frozenset({"pass", "pin", "pins"})
_SECRET_TEXTS = (
    (re.compile(r"(?<=://)([^\s/:@]*):[^\s/@]+(?=@)"), rf"\1:{BLOT}"),
    (re.compile(r"\b(bearer|basic|token)(\s+)[\w.~+/-]{16,}=*", re.IGNORECASE), rf"\1\2{BLOT}"),
    (re.compile(r"\bsk[-_][\w-]{12,}"), BLOT),
)
"""What is a secret by its looks: a URL's password, a header's, a secret key."""
_SIGNS_OF_SECRET = ("://", "bearer", "basic", "token", "sk-", "sk_")
"""Of which nearly all texts have none, so that they need not be searched for those."""
_HARMLESS = frozenset({"call_key", "callKey", "message_key", "messageKey"})
_LABELS = ("name", "key", "header")
_WEBHOOKS = ("webhookUrl", "webhook_url")
"""Addresses whose query is there to let its sender in."""


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret, however it is spelled: `apiKey`, `API_KEY`, `x-api-key`."""
    if name in _HARMLESS:
        return False
    words = [word.lower() for word in _WORD.findall(name)]
    return not _SECRET_WORDS.isdisjoint(words) or "".join(words).endswith(_SECRET_ENDINGS)


def without_secrets(value: Any) -> Any:
    """Copy JSON-like data, leaving out every member with a secret's name, at any depth.

    Looks into strings that are themselves JSON, and into lists of labelled values such as
    `{"name": "Authorization", "value": "Bearer …"}`. Whatever is nested too deeply to be looked into is left out, and
    what no database or program keeps (NaN, half a character, a number of a thousand digits) is replaced.

    Args:
        value: What a JSON parser returned: dicts, lists, strings, numbers, booleans, `None`.

    Returns:
        The same shape without the secrets; a string of JSON is the same string unless something in it had to go.
    """
    return _without_secrets(value, MAX_DEPTH)


def _without_secrets(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        # Nearly all strings are no JSON: the first character tells.
        if value.lstrip()[:1] in ("{", "[", '"'):
            return _json_without_secrets(value, levels)
        return _redacted_text(value if value.isascii() else storable(value))
    if isinstance(value, dict):
        if levels <= 0:
            return LEFT_OUT
        hide_value = "value" in value and any(
            isinstance(label := value.get(name), str) and is_secret_name(label) for name in _LABELS
        )
        kept = {
            storable(name): _without_secrets(member, levels - 1)
            for name, member in value.items()
            if not (isinstance(name, str) and _holds_secret(name, member)) and not (hide_value and name == "value")
        }
        for name in _WEBHOOKS:
            if isinstance(url := kept.get(name), str):
                kept[name] = url.partition("?")[0]
        return kept
    if isinstance(value, list | tuple):
        return LEFT_OUT if levels <= 0 else [_without_secrets(member, levels - 1) for member in value]
    return storable(value)


def _holds_secret(name: str, member: Any) -> bool:
    if is_secret_name(name):
        return True
    return isinstance(member, str | int) and not isinstance(member, bool) and _ends_like_a_secret(name)


@lru_cache(maxsize=4096)
def _ends_like_a_secret(name: str) -> bool:
    words = _WORD.findall(name)
    return bool(words) and words[-1].lower() in _SHORT_SECRETS


def _redacted_text(text: str) -> str:
    """A text without what is a secret by its looks."""
    if text.isascii():
        lower = text.lower()
        for sign in _SIGNS_OF_SECRET:  # not `any`: each text of each record comes by here
            if sign in lower:
                break
        else:
            return text
    for looks, blot in _SECRET_TEXTS:
        text = looks.sub(blot, text)
    return text


def decoded(value: Any) -> Any:
    """Return what a string of JSON stands for, if it stands for a list or an object; anything else unchanged."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return read_json(value)
        except ValueError:
            return value
    return value


def _json_without_secrets(text: str, levels: int) -> str:
    if levels <= 0:
        return LEFT_OUT
    try:
        parsed = read_json(text)
    except ValueError:
        return _redacted_text(str(storable(text)))
    kept = _without_secrets(parsed, levels - 1)
    try:
        same = kept == parsed
    except RecursionError:
        same = False
    return text if same and text.isascii() else to_json(kept).decode()
