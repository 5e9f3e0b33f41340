"""A voice agent as Hamsa keeps it: what it says, what it needs to be told, what it extracts, where its events go.

Reads the shape of `GET /v2/voice-agents/{id}`, the flat one of the deprecated v1, and an agent described inline, so
that nobody else has to know which it was.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field

from hamsa.models import HamsaRecord, Identifier, JsonObject, Moment
from hamsa.placeholders import UnreadableText, required_names
from hamsa.redaction import decoded

_NAME_FIELDS = ("name", "variableName", "variable", "label", "id")
_DEFAULT_FIELDS = ("default", "defaultValue", "value")


class VoiceAgentRecord(HamsaRecord):
    """A voice agent, without the secrets that the API puts into it."""

    id: Identifier = Field(
        validation_alias=AliasChoices("id", "voiceAgentId", "voice_agent_id"), description="The voice agent's id."
    )
    name: str | None = Field(
        default=None, validation_alias=AliasChoices("name", "agentName", "agent_name"), description="Its name."
    )
    type: str | None = Field(default=None, description="Such as Single Prompt; unknown ones are kept.")
    greeting_message: str | None = Field(default=None, repr=False, description="What it says first, in v1.")
    preamble: str | None = Field(default=None, repr=False, description="Its instructions, in v1.")
    poke_messages: Any = Field(default=None, repr=False, description="What it says to somebody silent, in v1.")
    params: Any = Field(default=None, repr=False, description="Default values of its placeholders, in v1 and inline.")
    conversation: JsonObject = Field(default=None, repr=False, description="What it says, in v2.")
    workflow: JsonObject = Field(default=None, repr=False, description="Nodes, edges and variables of a flow agent.")
    outcome_response_shape: Any = Field(default=None, repr=False, description="JSON Schema of what it extracts.")
    webhook_url: str | None = Field(default=None, repr=False, description="Where its events go.")
    created_at: Moment | None = Field(default=None, description="When it was made, in UTC.")
    updated_at: Moment | None = Field(
        default=None, description="When it was last changed, in UTC: the only sign of a change, as there is no version."
    )

    @cached_property
    def _read(self) -> tuple[frozenset[str], tuple[str, ...]]:
        needed: set[str] = set()
        problems: list[str] = []
        for place, text in self._texts():
            try:
                needed |= required_names(text)
            except UnreadableText as error:
                problems.append(f"{place} ({error})")
        return frozenset(needed), tuple(problems)

    def placeholders(self) -> frozenset[str]:
        """Return the names for which each call has to bring a value.

        They stand in a text that is always said, Hamsa does not fill them, the agent has no default for them, and no
        node of its flow extracts them during the call. What cannot be parsed demands nothing; see `unreadable_texts`.
        """
        # Assumed: a value that a row lacks becomes empty text. The call is possible then, and says nonsense.
        return self._read[0] - self.default_params - self.extracted_names

    @property
    def unreadable_texts(self) -> tuple[str, ...]:
        """Texts that are no Jinja2: where each stands and what is wrong, such as `greetingMessage (line 1: …)`."""
        return self._read[1]

    @cached_property
    def default_params(self) -> frozenset[str]:
        """Names that have a value at the agent itself. An empty one is none: a row needs better than that, too."""
        workflow = self.workflow or {}
        places = (self.params, (self.conversation or {}).get("params"), workflow.get("customVariables"))
        return frozenset(name for place in places for name in _with_default(decoded(place)))

    @cached_property
    def extracted_names(self) -> frozenset[str]:
        """Names that a node of a flow agent makes during the call."""
        # Assumed: variables that a flow agent extracts are found by the names of a node's fields. The page says that
        # there are such nodes, not what their fields are called.
        return frozenset(_extracted((self.workflow or {}).get("nodes")))

    @cached_property
    def outcome_fields(self) -> frozenset[str] | None:
        """What the agent extracts, by `outcomeResponseShape`; None where it has none, so that nobody can tell."""
        return frozenset(_shape_fields(decoded(self.outcome_response_shape))) or None

    @cached_property
    def nested_outcome_fields(self) -> frozenset[str]:
        """What lies deeper in the outcome, each by its name and by its path: `consent.no_calls`, `no_calls`."""
        return frozenset(_nested_fields(decoded(self.outcome_response_shape), ""))

    @property
    def webhook_host(self) -> str | None:
        """The host to which the agent itself sends its events, if it does. The rest of the URL may hold a secret."""
        try:
            return urlsplit((self.webhook_url or "").strip()).hostname
        except ValueError:
            return None

    def _texts(self) -> Iterator[tuple[str, str]]:
        """Each text in which a placeholder may stand, with its place."""
        said = {**(self.conversation or {})}
        said.pop("params", None)
        flow = {**(self.workflow or {})}
        flow.pop("customVariables", None)
        yield from _strings("greetingMessage", self.greeting_message)
        yield from _strings("preamble", self.preamble)
        yield from _strings("pokeMessages", decoded(self.poke_messages))
        yield from _strings("conversation", said)
        yield from _strings("workflow", flow)


def _strings(place: str, value: object) -> Iterator[tuple[str, str]]:
    """All strings in JSON-like data; a record was bounded in depth when it was parsed."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _strings(f"{place}.{name}", each)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _strings(f"{place}[{number}]", each)


def _with_default(value: object) -> Iterator[str]:
    """Names with a value, from `{name: value}`, `{name: {default: value}}` or a list of `{id, default}`."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            own = _first(each, _DEFAULT_FIELDS) if isinstance(each, Mapping) and _is_variable(each) else each
            if not _is_blank(own):
                yield str(name)
    elif isinstance(value, list):
        for each in value:
            if isinstance(each, Mapping) and not _is_blank(_first(each, _DEFAULT_FIELDS)):
                yield from _names_of(each)


def _is_variable(value: Mapping[str, Any]) -> bool:
    return any(name in value for name in _DEFAULT_FIELDS)


def _first(value: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), None)


def _is_blank(value: object) -> bool:
    if isinstance(value, str):
        return not any(character.isprintable() and not character.isspace() for character in value)
    return value is None


def _extracted(value: object, *, extracts: bool = False) -> Iterator[str]:
    """Names under whatever a node calls its extracted or output variables; `extracts` is whether its type says so."""
    value = decoded(value)
    if isinstance(value, list):
        for each in value:
            yield from _extracted(each, extracts=extracts)
    elif isinstance(value, Mapping):
        extracts = extracts or "extract" in str(value.get("type", "")).lower()
        for field, each in value.items():
            name = field.lower().replace("_", "")
            if "extract" in name or "output" in name or (extracts and ("variable" in name or "field" in name)):
                yield from _named_in(decoded(each))
            yield from _extracted(each, extracts=extracts)


def _named_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, list):
        for each in value:
            yield from _named_in(each)
    elif isinstance(value, Mapping):
        named = list(_names_of(value))
        yield from named
        for name, each in value.items():
            # `{name: description}` without any of the usual fields, or the list one level down.
            if not named:
                yield str(name)
            if isinstance(each, list | Mapping):
                yield from _named_in(each)


def _names_of(variable: Mapping[str, Any]) -> Iterator[str]:
    for field in _NAME_FIELDS:
        if isinstance(name := variable.get(field), str) and name.strip():
            yield name.strip()


def _nested_fields(shape: object, path: str) -> Iterator[str]:
    if not isinstance(shape, Mapping):
        return
    inner = shape.get("properties")
    for name, each in inner.items() if isinstance(inner, Mapping) else ():
        yield from (str(name), f"{path}{name}")
        yield from _nested_fields(each, f"{path}{name}.")
    for deeper in ("schema", "items"):
        yield from _nested_fields(shape.get(deeper), path)


def _shape_fields(shape: object) -> Iterator[str]:
    """The names of a JSON Schema's properties, or of what Hamsa takes instead: `{name: type}`, `[{name}]`."""
    if isinstance(shape, list):
        for each in shape:
            yield from _names_of(each) if isinstance(each, Mapping) else [each] if isinstance(each, str) else ()
    elif isinstance(shape, Mapping):
        inner = next((shape[name] for name in ("properties", "schema") if isinstance(shape.get(name), Mapping)), None)
        if inner is not None:
            yield from map(str, inner) if "properties" in shape else _shape_fields(inner)
        elif shape.get("type") != "object":
            yield from map(str, shape)
