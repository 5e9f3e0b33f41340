"""Whether an outcome says that somebody wants no more calls: yes, no, or words that a person has to read.

Promises that a field is found however it is written and however deep it lies, and that only what is on one of the two
lists below is taken for a yes or a no.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from campaign.buckets import Bucket
from campaign.rules.decision import ASKED_IN_A_CALL
from campaign.rules.rules import Never

_DEEPEST = 40
"""Levels of an outcome that are looked into: more than any agent's outcome has, fewer than would exhaust the stack."""

_ANSWER_KEYS = frozenset({"value", "answer", "result", "extracted", "response"})
"""Where the answer is in an object that says something beside it, such as the reason."""

_NAME_KEYS = frozenset({"name", "key", "field", "fieldname", "variable", "id"})
"""Where a field's name is in a list of fields, each an object of its own."""

_TIMES_WRITTEN = 3
"""How often an object may have been written as a text of a text."""

_MOST_SEEN = 10_000
"""Characters of a text that should be JSON, and is none, in which a field's name is looked for."""

_FENCED = re.compile(r"\s*```\w*\s*(.*?)\s*(?:```\s*)?", re.DOTALL)
"""How language models like to hand over JSON."""


class Said(StrEnum):
    """What a value says to *does this person want no more calls?*."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"
    """Neither: a person has to read it. Until then nobody calls."""


YES_WORDS = (
    *("true", "yes", "y", "t", "on", "1", "yes, please", "yes please", "confirmed", "checked", "requested", "refused"),
    "declined",
    *("stop", "opt out", "opt-out", "opted out", "optout", "unsubscribe", "remove me", "dnc", "do not call"),
    *("don't call", "do not call again", "don't call again", "do not call me again", "don't call me again"),
    *("never call again", "never call me again", "never call me", "no more calls", "wants no more calls"),
    *("stop calling", "stop calling me", "please stop", "please stop calling", "please do not call"),
    *("please don't call", "please do not call again", "please don't call again", "do not call me", "don't call me"),
    *("ja", "oui", "si", "sì", "sim", "tak", "evet", "igen", "ano", "da", "да", "так", "ναι", "ya", "oo"),  # noqa: RUF001
    *("نعم", "أجل", "ايوه", "أيوه", "ايوا", "أيوا", "اي", "بلى", "صحيح", "لا تتصلوا", "لا تتصل", "לא להתקשר", "כן"),
    *("wahr", "vrai", "verdadero", "verdadeiro", "vero", "صح", "✓", "✔"),
    *("بله", "ہاں", "جی ہاں", "हाँ", "हां", "是", "是的", "はい", "네", "예"),
)
"""What counts as a yes, in any case, with or without accents and a full stop."""

NO_WORDS = (
    *("", "-", "--", "–", "—", "...", "…", "?", "0", "false", "no", "n", "f", "off", "none", "null", "nil", "nan"),  # noqa: RUF001
    *("n/a", "na", "n.a.", "not applicable", "undefined", "unknown", "unspecified", "empty", "."),
    *("not mentioned", "none mentioned", "no mention", "not stated", "not specified", "not provided", "not given"),
    *("not discussed", "not asked", "not requested", "not available", "not said", "not known", "did not say"),
    *("did not ask", "no answer", "no response", "no request", "no information", "no info", "no data"),
    *("not confirmed", "unchecked", "no opt out", "no opt-out", "not opted out", "never mentioned", "nothing"),
    *("falsch", "faux", "falso", "خطأ", "ne", "nie", "user did not ask", "customer did not ask", "was not asked"),
    *("nein", "nicht erwähnt", "keine angabe", "keine angaben", "k.a.", "unbekannt", "non", "pas mentionné"),
    *("non mentionné", "inconnu", "no mencionado", "no especificado", "desconocido", "não", "não mencionado"),
    *("non menzionato", "nee", "niet genoemd", "n.v.t.", "onbekend", "nej", "hayır", "yok", "belirtilmedi"),  # noqa: RUF001
    *("nem", "нет", "ні", "не указано", "не упомянуто", "неизвестно", "όχι", "tidak"),
    *("لا", "كلا", "لأ", "غير مذكور", "لم يذكر", "لم يُذكر", "لا يوجد", "غير معروف", "غير محدد", "לא", "לא צוין"),
    *("نه", "خیر", "نہیں", "जी नहीं", "नहीं", "不", "否", "没有", "未提及", "いいえ", "なし", "아니요", "아니오"),
)
"""What counts as a no: a written no, and every way of saying that nothing was said about it."""


@dataclass(frozen=True, slots=True)
class OptOutRead:
    """What an outcome says about more calls, and in which of its fields."""

    said: Said
    field: str


@dataclass(frozen=True, slots=True)
class OptOut:
    """A no that the ledger keeps: it blocks its number and its person in every campaign, until somebody lifts it.

    `origin` is the campaign in which it was said, or the list that it was on.
    """

    opt_out_id: str
    phone: str | None
    person: str | None
    said: Said
    source: str
    origin: str | None
    call_key: str | None
    field: str | None
    noted_at: datetime
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    lifted_because: str | None = None

    def as_never(self) -> Never:
        """Why nobody calls."""
        if self.said is Said.UNCLEAR:
            reason = (
                f"what was said about more calls (`{self.field}`) is neither yes nor no: a person has to read it, and "
                "lift it if it was no refusal"
            )
        elif self.source == CALL:
            reason = ASKED_IN_A_CALL
        elif self.source == ERASURE:
            reason = "was erased from the ledger, and is not called unless somebody lifts that"
        else:
            reason = f"asked not to be called again ({self.origin})"
        return Never(Bucket.OPTED_OUT, reason)


CALL, LIST, ERASURE = "call", "list", "erasure"
"""Where a no can come from: from an outcome, from a list of another channel, or from an erasure."""


@lru_cache(maxsize=1024)
def field_key(name: str) -> str:
    """A field's name without its style: `wants_no_more_calls`, `wantsNoMoreCalls` and `Wants no more calls` are one."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return ".".join("".join(c for c in part if c.isalnum()) for part in plain.split(".")).strip(".")


def read_opt_out(outcome: object, fields: Iterable[str]) -> OptOutRead | None:
    """Read what an outcome says about more calls.

    Args:
        outcome: What the agent extracted, of whatever shape; JSON inside texts is looked into.
        fields: Names of the fields that mean *no more calls*; `a.b` means `b` within `a`.

    Returns:
        The clearest of the answers found, a yes before words that are unclear; None if none of the fields is there,
        or what is there says no.
    """
    wanted = {tuple(key.split(".")) for name in fields if (key := field_key(name))}
    if not wanted:
        return None
    unclear: OptOutRead | None = None
    for path, name, value in _values(outcome, (), 0):
        if isinstance(value, _Unreadable):
            said = Said.UNCLEAR if any("".join(each) in value.letters for each in wanted) else Said.NO
        elif any(path[-len(each) :] == each for each in wanted):
            said = read_answer(value)
        else:
            continue
        if said is Said.YES:
            return OptOutRead(said, name)
        if said is Said.UNCLEAR and unclear is None:
            unclear = OptOutRead(said, name)
    return unclear


def asks_for_no_more_calls(outcome: Mapping[str, Any] | None, fields: Iterable[str]) -> bool:
    """Whether an outcome says in one of the fields that the callee wants no more calls; see `read_opt_out`."""
    read = read_opt_out(outcome, fields)
    return read is not None and read.said is Said.YES


def read_answer(value: object) -> Said:
    """Read one value: null, an empty text or container and a written no say no; what is on neither list is unclear."""
    return _answer(value, 0)


def _answer(value: object, depth: int) -> Said:
    if value is None:
        return Said.NO
    if isinstance(value, bool):
        return Said.YES if value else Said.NO
    if isinstance(value, int | float):
        return Said.NO if value == 0 or value != value else Said.YES if value == 1 else Said.UNCLEAR  # noqa: PLR0124
    if isinstance(value, str):
        inner = _decoded(value)
        return _answer_of_text(value) if isinstance(inner, str) else _answer(inner, depth + 1)
    if depth >= _DEEPEST or not isinstance(value, Mapping | list | tuple):
        return Said.UNCLEAR
    if isinstance(value, Mapping):
        answers = [each for key, each in value.items() if field_key(str(key)) in _ANSWER_KEYS]
        parts = answers or list(value.values())
    else:
        parts = list(value)
    said = {_answer(part, depth + 1) for part in parts}
    return Said.YES if Said.YES in said else Said.UNCLEAR if Said.UNCLEAR in said else Said.NO


def _answer_of_text(text: str) -> Said:
    plain = _plain(text)
    if plain in _NO:
        return Said.NO
    if plain in _YES:
        return Said.YES
    try:
        return _answer(float(plain), 0)
    except ValueError:
        return Said.UNCLEAR


def _values(node: object, path: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], str, object]]:
    """Every named value of an outcome with its path, however deep; and what should be an object, and is none."""
    if isinstance(node, str):
        text, node = node, _decoded(node)
        if isinstance(node, str) and _FENCED.sub(r"\1", text[:200]).lstrip()[:1] in ("{", "["):
            letters = field_key(text[:_MOST_SEEN]).replace(".", "")
            yield path, path[-1] if path else "outcome", _Unreadable(letters)
    if depth >= _DEEPEST:
        return
    if isinstance(node, Mapping):
        for name, answer in _named_within(node):
            yield (*path, *field_key(name).split(".")), name, answer
        for name, value in node.items():
            here = (*path, *field_key(str(name)).split("."))
            yield here, str(name), value
            yield from _values(value, here, depth + 1)
    elif isinstance(node, list | tuple):
        for each in node:
            yield from _values(each, path, depth + 1)


def _named_within(node: Mapping[Any, Any]) -> Iterator[tuple[str, object]]:
    """The field that an object such as `{"name": "wants_no_more_calls", "value": "yes"}` is, as in a list of fields."""
    keys = {field_key(str(key)): key for key in node}
    names = [node[keys[key]] for key in _NAME_KEYS & keys.keys()]
    answers = [node[keys[key]] for key in _ANSWER_KEYS & keys.keys()]
    return ((name, answer) for name in names if isinstance(name, str) for answer in answers)


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """A text that begins like JSON and is none, such as one that was cut off: its letters."""

    letters: str


def _decoded(text: str) -> object:
    """What a text holds that is JSON of an object or a list, also written as a text again; or else the text itself."""
    found: object = text
    for _ in range(_TIMES_WRITTEN):
        if not isinstance(found, str):
            return found
        plain = fenced[1] if "```" in found and (fenced := _FENCED.fullmatch(found)) is not None else found
        if plain[:200].lstrip()[:1] not in ("{", "[", '"'):
            return text
        try:
            found = json.loads(plain)
        except (ValueError, RecursionError):
            return text
    return text if isinstance(found, str) else found


def _plain(text: str) -> str:
    """A text without case, accents, invisible characters, and the signs around it."""
    apart = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(c for c in apart if unicodedata.category(c) not in ("Mn", "Cf", "Cc") or c.isspace())
    words = re.sub(r"\s+", " ", kept.replace("_", " ").replace("\u2019", "'").replace("ـ", "")).strip()
    return words.strip("'\"`.!؟。،,;:()[]* ") or words.strip(" '\"")


_YES = frozenset(map(_plain, YES_WORDS))
_NO = frozenset(map(_plain, NO_WORDS))
