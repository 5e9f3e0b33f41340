"""Ends: read out of whatever Hamsa says, and never made up."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.attempts import AttemptState
from campaign.following.outcomes import end_of_call, end_of_event, read_outcome
from campaign.ledger import CallEnd
from hamsa.models import CallSummary, JobRecord, WebhookEvent

NOW = datetime(2026, 11, 3, 15, tzinfo=UTC)
OPT_OUT = ("wants_no_more_calls",)
OUTCOME = {"promised_to_pay": True, "promised_date": None}


def record(response: object, **fields: Any) -> JobRecord:
    return JobRecord.model_validate({"id": "job-1", "status": "COMPLETED", "jobResponse": response, **fields})


def ended(result: object = None, **data: Any) -> WebhookEvent:
    body = {"data": {"outcomeResult": result}, **data}
    return WebhookEvent.model_validate(
        {"eventType": "call.ended", "callId": "job-1", "timestamp": NOW.isoformat(), "data": body}
    )


# -- what was extracted ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        {"outcomeResult": OUTCOME},
        {"data": {"outcomeResult": OUTCOME}},
        {"data": json.dumps({"outcomeResult": OUTCOME})},
        json.dumps({"outcomeResult": json.dumps(OUTCOME)}),
        {"outcome": OUTCOME},
        OUTCOME,
    ],
)
def test_an_outcome_is_found_wherever_a_job_record_holds_it(response: object) -> None:
    assert read_outcome(record(response)) == OUTCOME


def test_lists_and_objects_of_an_outcome_may_be_json_as_text_wherever_it_is() -> None:
    said, meant = {"days": '["Mon"]', "note": "[sic"}, {"days": ["Mon"], "note": "[sic"}
    for response in (said, {"outcome": said}, {"outcomeResult": said}, {"data": {"outcomeResult": said}}):
        assert read_outcome(record(response)) == meant
    assert read_outcome(ended(said)) == meant


@pytest.mark.parametrize(
    "response",
    [
        None,
        {},
        {"error": "The callee did not answer"},
        {"outcomeResult": None},
        {"data": {"outcomeResult": {}}, "error": "x"},
        {"outcome": None},
    ],
)
def test_no_outcome_is_none(response: object) -> None:
    assert read_outcome(record(response)) is None


def test_params_that_hamsa_echoes_are_no_outcome() -> None:
    params = {"call_key": "k", "name": "Ann", "invoices": ["A1", "A2"], "amount": 120.5}
    echoed = {**params, "invoices": '["A1", "A2"]', "amount": 99, **OUTCOME}
    shown = record({"outcomeResult": echoed}, agentDetails={"params": params})
    assert read_outcome(shown) == {"amount": 99, **OUTCOME}
    assert read_outcome(ended(echoed), params) == {"amount": 99, **OUTCOME}
    assert read_outcome(ended(echoed)) == {"name": "Ann", "invoices": ["A1", "A2"], "amount": 99, **OUTCOME}


REFUSAL = {"wants_no_more_calls": "yes"}


@pytest.mark.parametrize(
    "response",
    [
        {"data": {"outcomeResult": REFUSAL}},
        {"wants_no_more_calls": True},
        {"result": REFUSAL},
        [REFUSAL],
        {"outcomeResult": {}, "outcome": REFUSAL},
        {"outcomeResult": None, "wants_no_more_calls": True},
        {"outcomeResult": {"promised_to_pay": False}, "analysis": REFUSAL},
        {"data": {"outcomeResult": {"call_key": "k"}, "outcome": json.dumps(REFUSAL)}},
        {"message": REFUSAL},
    ],
    ids=range(9),
)
def test_a_refusal_is_heard_wherever_a_job_record_holds_it(response: object) -> None:
    assert end_of_call(record(response), None, opt_out_fields=OPT_OUT, ended_at=NOW).opted_out
    said_nothing = json.loads(json.dumps(response).replace("yes", "no").replace("true", "null"))
    assert not end_of_call(record(said_nothing), None, opt_out_fields=OPT_OUT, ended_at=NOW).opted_out


# -- a call's end from list and record -------------------------------------------------------------------------------


def test_the_lists_row_has_status_and_length() -> None:
    row = CallSummary.model_validate({"id": "job-1", "status": "NO_ANSWER", "duration": 30})
    end = end_of_call(record(None, totalCost=0.2), row, opt_out_fields=OPT_OUT, ended_at=NOW)
    assert (end.state, end.duration_seconds, end.cost) == (AttemptState.NO_ANSWER, 30, 0.2)


@pytest.mark.parametrize(
    ("usage", "seconds"),
    [("41.5", 41.5), ("01:10", 70), ("1:02:03", 3723), ("a while", None), (None, None), ("9" * 5000, None)],
)
def test_the_records_usage_time_gives_the_length_where_there_is_no_row(
    usage: str | None, seconds: float | None
) -> None:
    end = end_of_call(record(None, usageTime=usage), None, opt_out_fields=OPT_OUT, ended_at=NOW)
    assert end.duration_seconds == seconds


# -- a call's end from an event --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("COMPLETED", AttemptState.COMPLETED),
        ("no-answer", AttemptState.NO_ANSWER),
        (" No Answer ", AttemptState.NO_ANSWER),
        ("FORWARDED", AttemptState.FORWARDED),
        ("terminated", AttemptState.TERMINATED),
        ("BUSY", AttemptState.FAILED),
    ],
)
def test_an_event_that_says_how_the_call_ended_is_believed(status: str, state: AttemptState) -> None:
    end = end_of_event(ended(status=status), params=None, opt_out_fields=OPT_OUT)
    assert end is not None
    assert end.state is state
    assert end.ended_at == NOW
    assert (end.error is None) is (status != "BUSY")


@pytest.mark.parametrize("status", ["SUCCESS", "ended", "BUSY"])
def test_a_call_that_lasted_did_not_fail_because_its_event_has_a_status_of_its_own(status: str) -> None:
    def end(seconds: object, result: dict[str, Any], *, answered: bool = False) -> AttemptState | None:
        event = ended(result, status=status, callDuration=seconds)
        read = end_of_event(event, params={"call_key": "k"}, opt_out_fields=OPT_OUT, answered=answered)
        return read.state if read else None

    assert end(83, {}) is None, "the list is asked"
    assert end("01:23", {"summary": None}) is None
    assert end(0, {}) is end(None, {}) is AttemptState.FAILED
    assert end(83, {}, answered=True) is end(83, {"summary": "Will pay."}) is AttemptState.COMPLETED


def test_length_and_cost_are_read_where_they_are() -> None:
    inner = {"outcomeResult": {}, "callDuration": "12.5", "cost": 0.1}
    end = end_of_event(ended(status="COMPLETED", data=inner, totalCost=None), params=None, opt_out_fields=OPT_OUT)
    assert end is not None
    assert (end.duration_seconds, end.cost) == (12.5, 0.1)
    end = end_of_event(ended(status="FAILED", duration=True, totalCost=-1), params=None, opt_out_fields=OPT_OUT)
    assert end is not None
    assert (end.duration_seconds, end.cost) == (None, None)


@pytest.mark.parametrize("status", ["COMPLETED", "ENDED", None])
def test_a_length_in_another_unit_changes_nothing_else(status: str | None) -> None:
    def read(length: float) -> list[CallEnd]:
        event = ended({"summary": "Will pay."}, status=status, callDuration=length)
        row = CallSummary.model_validate({"id": "job-1", "status": status, "duration": length})
        shown = record(None, usageTime=str(length), totalCost=0.2)
        by_event = end_of_event(event, params={"call_key": "k"}, opt_out_fields=OPT_OUT)
        assert by_event is not None
        by_list = [end_of_call(shown, seen, opt_out_fields=OPT_OUT, ended_at=NOW) for seen in (row, None)]
        return [replace(end, record=None) for end in (by_event, *by_list)]

    in_seconds, in_milliseconds = read(83.5), read(83_500)
    assert [end.duration_seconds for end in in_milliseconds] == [83_500] * 3
    assert [replace(end, duration_seconds=83.5) for end in in_milliseconds] == in_seconds


@pytest.mark.parametrize("status", [None, "", "IN_PROGRESS", 7, {"a": 1}])
def test_an_event_that_does_not_say_how_the_call_ended_needs_proof_that_somebody_talked(status: object) -> None:
    params = {"call_key": "k", "name": "Ann"}

    def state(result: dict[str, Any], *, answered: bool = False, known: bool = True) -> AttemptState | None:
        event = ended({**params, **result}, status=status)
        end = end_of_event(event, params=params if known else None, opt_out_fields=OPT_OUT, answered=answered)
        return end.state if end else None

    assert state({}) is None
    assert state({"promised_to_pay": False, "summary": None, "list": []}) is None
    assert state({"promised_to_pay": False, "summary": "Will pay."}) is AttemptState.COMPLETED
    assert state({}, answered=True) is AttemptState.COMPLETED
    # Where the params are unknown, a name is no proof of a conversation; a refusal always is.
    assert state({}, known=False) is None
    assert state({"summary": "Will pay."}, known=False) is None
    assert state({"wants_no_more_calls": True}, known=False) is AttemptState.COMPLETED


@pytest.mark.parametrize("echo", ["3", 3.0, "3.0", [3], {"invoices": 3}])
def test_a_param_that_is_echoed_in_another_form_is_no_proof_that_somebody_talked(echo: object) -> None:
    params = {"call_key": "k", "invoices": 3}
    assert end_of_event(ended({"invoices": echo}), params=params, opt_out_fields=OPT_OUT) is None
    talked = end_of_event(ended({"invoices": echo, "summary": "Will pay."}), params=params, opt_out_fields=OPT_OUT)
    assert talked is not None
    assert talked.state is AttemptState.COMPLETED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


@given(result=JSON, facts=st.dictionaries(st.sampled_from(["status", "callDuration", "totalCost", "data"]), JSON))
def test_whatever_an_event_holds_its_end_is_read_or_left_open(result: Any, facts: dict[str, Any]) -> None:
    event = ended(result, **facts)
    for params in (None, {"call_key": "k"}):
        end = end_of_event(event, params=params, opt_out_fields=OPT_OUT)
        if end is not None:
            assert end.cost is None or 0 <= end.cost < float("inf")
            assert end.duration_seconds is None or 0 <= end.duration_seconds < float("inf")


@given(response=JSON)
def test_whatever_a_job_record_holds_its_end_is_read(response: Any) -> None:
    assert end_of_call(record(response), None, opt_out_fields=OPT_OUT, ended_at=NOW).state is AttemptState.COMPLETED
