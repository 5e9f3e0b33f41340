"""Whether somebody said *no more calls* is read alike however an agent writes it, and never guessed."""

from datetime import UTC, datetime

import pytest

from campaign.buckets import Bucket
from campaign.rules.decision import ASKED_IN_A_CALL
from campaign.rules.opt_outs import (
    _DEEPEST,
    CALL,
    ERASURE,
    LIST,
    NO_WORDS,
    YES_WORDS,
    OptOut,
    Said,
    asks_for_no_more_calls,
    read_answer,
    read_opt_out,
)

FIELD = "wants_no_more_calls"


@pytest.mark.parametrize(
    "name",
    ["wants_no_more_calls", "wantsNoMoreCalls", "WantsNoMoreCalls", "WANTS_NO_MORE_CALLS", "wants-no-more-calls"],
)
@pytest.mark.parametrize("wanted", ["wants_no_more_calls", "wantsNoMoreCalls", "Wants no more calls"])
def test_a_field_is_found_in_any_case_and_style(name: str, wanted: str) -> None:
    read = read_opt_out({name: True}, [wanted])
    assert read is not None
    assert (read.said, read.field) == (Said.YES, name)


@pytest.mark.parametrize(
    "outcome",
    [
        {"result": {"wantsNoMoreCalls": "yes"}},
        {"answers": [{"topic": "price"}, {"wants_no_more_calls": True}]},
        {"answers": '[{"wants_no_more_calls": "نعم"}]'},
        {"wants_no_more_calls": {"value": True, "reason": "not mentioned"}},
        {"wants_no_more_calls": '{"answer": "ja"}'},
        {"wants_no_more_calls": False, "later": {"wants_no_more_calls": True}},
        '{"wants_no_more_calls": 1}',
    ],
    ids=["object", "list", "json", "value-beside-a-reason", "json-value", "second-mention", "all-json"],
)
def test_a_refusal_is_found_however_deep_it_lies(outcome: object) -> None:
    read = read_opt_out(outcome, [FIELD])
    assert read is not None
    assert read.said is Said.YES


def test_a_name_with_a_dot_is_looked_for_within_the_other() -> None:
    assert read_opt_out({"calls": {"stop": True}}, ["calls.stop"]) is not None
    assert read_opt_out({"music": {"stop": True}, "stop": True}, ["calls.stop"]) is None


def test_another_field_is_no_refusal_though_its_name_ends_alike() -> None:
    assert read_opt_out({"never_said_wants_no_more_calls": True, "calls": True}, [FIELD]) is None


@pytest.mark.parametrize(
    "value",
    ["not mentioned", "-", "nein", "لا", None, 0, 0.0, "0", "", " ", "No.", "N/A", [], {}, "NOT_MENTIONED"],
)
def test_a_no_and_nothing_said_bar_nobody(value: object) -> None:
    assert read_answer(value) is Said.NO
    assert read_opt_out({FIELD: value}, [FIELD]) is None


@pytest.mark.parametrize(
    "value",
    [
        True,
        1,
        1.0,
        "Yes",
        "yes.",
        "**Yes**",
        "نَعَم",
        "SÍ",
        "Ja!",
        "do not call",
        "はい。",
        "1.0",
        [["ja"]],
        {"value": ["نعم"]},
        "wahr",
        "✓",
    ],
)
def test_a_yes_is_one_in_many_languages(value: object) -> None:
    assert read_answer(value) is Said.YES


@pytest.mark.parametrize("value", ["no, thanks", "maybe later", "he hung up", 7, -1, 0.5, ["perhaps"], {"a": "b"}])
def test_what_is_neither_is_left_to_a_person(value: object) -> None:
    read = read_opt_out({FIELD: value}, [FIELD])
    assert read is not None
    assert read.said is Said.UNCLEAR


def test_no_word_is_on_both_lists_and_each_is_read_as_its_list_says() -> None:
    assert {word: read_answer(word) for word in YES_WORDS} == dict.fromkeys(YES_WORDS, Said.YES)
    assert {word: read_answer(word) for word in NO_WORDS} == dict.fromkeys(NO_WORDS, Said.NO)


def test_an_outcome_as_deep_as_nobody_writes_one_stops_nothing() -> None:
    deep: object = True
    for _ in range(5000):
        deep = {"a": deep}
    assert read_opt_out({"a": deep, FIELD: True}, [FIELD]) is not None
    assert read_opt_out({FIELD: deep}, [FIELD]).said is Said.UNCLEAR  # type: ignore[union-attr]
    assert read_opt_out({"text": "[" * 100_000}, [FIELD]) is None


def within(levels: int, value: object, *, name: str | None = None) -> object:
    """A value within so many lists, or objects with a field of a name."""
    for _ in range(levels):
        value = [value] if name is None else {name: value}
    return value


def test_a_value_is_looked_into_as_deep_as_agents_write_and_left_to_a_person_below() -> None:
    assert read_answer(within(_DEEPEST, "yes")) is Said.YES
    assert read_answer(within(_DEEPEST + 1, "yes")) is Said.UNCLEAR
    # JSON within a text is one level more.
    assert read_answer(within(_DEEPEST - 2, '["yes"]')) is Said.YES
    assert read_answer(within(_DEEPEST - 1, '["yes"]')) is Said.UNCLEAR


@pytest.mark.parametrize("name", [None, "a"], ids=["lists", "objects"])
def test_a_field_is_found_as_deep_as_agents_write(name: str | None) -> None:
    assert read_opt_out(within(_DEEPEST - 1, {FIELD: True}, name=name), [FIELD]) is not None
    assert read_opt_out(within(_DEEPEST, {FIELD: True}, name=name), [FIELD]) is None


def test_any_of_several_fields_is_enough() -> None:
    read = read_opt_out({FIELD: True}, ["stop_calling", FIELD, "calls.stop"])
    assert read is not None
    assert read.field == FIELD


@pytest.mark.parametrize(("value", "asks"), [(True, True), ("maybe later", False), (False, False), (None, False)])
def test_only_a_clear_yes_asks_for_no_more_calls(value: object, asks: bool) -> None:
    assert asks_for_no_more_calls({FIELD: value}, [FIELD]) is asks


@pytest.mark.parametrize(
    ("said", "source", "words"),
    [
        (Said.UNCLEAR, CALL, "what was said about more calls (`wants_no_more_calls`) is neither yes nor no"),
        (Said.YES, CALL, ASKED_IN_A_CALL),
        (Said.YES, ERASURE, "was erased from the ledger"),
        (Said.YES, LIST, "asked not to be called again (letters)"),
    ],
)
def test_the_reason_says_where_the_no_comes_from(said: Said, source: str, words: str) -> None:
    noted = datetime(2026, 11, 3, tzinfo=UTC)
    never = OptOut("1", "+12125550123", "c1", said, source, "letters", "key", FIELD, noted).as_never()
    assert never.bucket is Bucket.OPTED_OUT
    assert never.reason.startswith(words)


@pytest.mark.parametrize(
    "outcome",
    [
        [{"name": "wants_no_more_calls", "value": "yes"}],
        {"fields": [{"key": "promised", "value": "no"}, {"key": "wantsNoMoreCalls", "value": True}]},
        {"results": [{"field": "Wants no more calls", "answer": "نعم", "reason": "busy"}]},
        {"outcome.wants_no_more_calls": "yes"},
        {"data": '"{\\"wants_no_more_calls\\": \\"yes\\"}"'},
        {"data": '```json\n{"wants_no_more_calls": true}\n```'},
        '```\n{"wants_no_more_calls": "1"}\n```',
    ],
    ids=["a list of fields", "keys", "answers", "a path as a name", "a text of a text", "fenced", "fenced whole"],
)
def test_a_yes_is_found_in_whatever_shape_the_outcome_comes(outcome: object) -> None:
    read = read_opt_out(outcome, ["wants_no_more_calls"])
    assert read is not None
    assert read.said is Said.YES


@pytest.mark.parametrize(
    "text",
    ['{"wants_no_more_calls": true, "promi', "{'wants_no_more_calls': True}", '```json\n{"wantsNoMoreCalls": tr'],
)
def test_an_outcome_that_cannot_be_read_and_names_the_field_is_for_a_person_to_read(text: str) -> None:
    read = read_opt_out({"data": text}, ["wants_no_more_calls"])
    assert read is not None
    assert read.said is Said.UNCLEAR


@pytest.mark.parametrize(
    "outcome",
    [
        [{"name": "wants_no_more_calls", "value": "no"}, {"name": "promised", "value": "yes"}],
        {"data": "{'promised': True}", "note": "[sic] yes"},
        {"name": "wants_no_more_calls"},
        {"id": "17", "value": "yes"},
    ],
    ids=["a no in a list of fields", "unreadable, about something else", "a name alone", "another field"],
)
def test_other_shapes_say_nothing_about_more_calls(outcome: object) -> None:
    assert read_opt_out(outcome, ["wants_no_more_calls"]) is None


def test_fields_within_fields_are_read_once_each() -> None:
    node: object = "yes"
    for _ in range(35):
        node = {"name": "promised", "value": node}  # read twice a level, it would never end
    assert read_opt_out(node, ["wants_no_more_calls"]) is None
