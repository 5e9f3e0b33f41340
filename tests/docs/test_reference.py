"""The reference says what the code does: every field, setting, parameter, event, bucket and class of error."""

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from campaign.attempts import TRANSITIONS, AttemptState
from campaign.buckets import Bucket
from campaign.errors import CampaignError
from campaign.following.call_events import CallEvent
from campaign.ledger.schema import SCHEMA_VERSION
from campaign.ledger.transitions import CallEnd
from campaign.reporting.report import CampaignReport
from campaign.reporting.stops import Stop
from campaign.rules.policy.dial_settings import DialSettings
from campaign.rules.policy.policy import Policy
from hamsa import HamsaError, Timeouts
from runtime import events
from sandbox.clock import DEFAULT_START
from tests.docs import expected
from tests.docs.pages import ROOT, blocks, read, table
from webhooks.received import RECORDED
from webhooks.receiver import RETRY_AFTER_SECONDS
from webhooks.settings import WebhookSettings

PACKAGES = ("hamsa", "campaign", "blocks", "runtime", "tasks", "flows", "webhooks")


def as_table(rows: expected.Rows) -> str:
    """Rows as they are to stand in a page, to be pasted."""
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def assert_table(page: str, heading: str, rows: expected.Rows) -> None:
    """See that the first table below a heading is the one that the code gives."""
    said = as_table(table(read(page), heading))
    assert said == as_table(rows), f"docs/{page}, below {heading!r}, has to say:\n{as_table(rows)}"


# -- fields, parameters, arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize("heading", expected.blocks_by_heading())
def test_every_field_of_a_block_is_documented(heading: str) -> None:
    assert_table("reference/blocks.md", heading, expected.block_rows(expected.blocks_by_heading()[heading]))


def test_blocks_are_called_by_their_slugs() -> None:
    for block in expected.blocks_by_heading().values():
        assert f"Slug `{block.get_block_type_slug()}`." in read("reference/blocks.md")


@pytest.mark.parametrize("heading", expected.flows_by_heading())
def test_every_parameter_of_a_flow_is_documented(heading: str) -> None:
    assert_table("reference/parameters.md", heading, expected.parameter_rows(expected.flows_by_heading()[heading]))


def test_every_flow_is_documented() -> None:
    defined = {
        flow
        for path in (ROOT / "flows").rglob("*.py")
        for flow in re.findall(
            r'^@(?:campaign_)?flow\(\s*name="([^"]+)"', path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert defined == set(expected.flows_by_heading())


@pytest.mark.parametrize("heading", expected.forms_by_heading())
def test_every_field_of_a_source_is_documented(heading: str) -> None:
    assert_table("reference/parameters.md", heading, expected.form_rows(expected.forms_by_heading()[heading]))


@pytest.mark.parametrize("heading", expected.functions_by_heading())
def test_every_argument_and_error_of_a_task_is_documented(heading: str) -> None:
    function = expected.functions_by_heading()[heading]
    assert_table("reference/tasks.md", heading, expected.argument_rows(function))
    section = read("reference/tasks.md").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    assert as_table(expected.error_rows(function)) in section, f"has to say:\n{as_table(expected.error_rows(function))}"


def test_every_field_of_a_result_is_documented() -> None:
    assert_table("reference/tasks.md", "CallResult", expected.result_rows())
    assert_table("reference/tasks.md", "CampaignReport", expected.report_rows())


def test_every_setting_is_documented() -> None:
    assert_table("reference/settings.md", "The client in code of your own", expected.settings_rows())
    assert f"added up: {Timeouts().request_deadline_seconds:g} seconds" in " ".join(
        read("reference/settings.md").split()
    )


def test_every_setting_of_the_receiver_is_documented() -> None:
    page = ROOT / "docs" / "how-to" / "webhooks.md"
    missing = [
        name
        for name in (f"HAMSA_WEBHOOK_{name.upper()}" for name in WebhookSettings.model_fields)
        if name not in page.read_text(encoding="utf-8")
    ]
    assert not missing


# -- events ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would be emitted for one of each fact, instead of being emitted."""
    reported: list[dict[str, Any]] = []
    monkeypatch.setattr(events, "emit_event", lambda event, **rest: reported.append({"event": event, **rest}))
    whom: dict[str, Any] = {
        "campaign": "may",
        "recipient_id": "c-1",
        "call_key": "key",
        "attempt": 1,
        "phone": "+12125550123",
        "run_id": "run",
        "agent_id": "agent",
    }
    for kind in get_args(get_type_hints(CallEvent)["kind"]):
        end = CallEnd(state=AttemptState.COMPLETED, outcome={"promise": "x" * 1000}) if kind == "ended" else None
        reason = "timeout" if kind == "uncertain" else None
        events.call_event_emitter(["promise"])(CallEvent(kind=kind, end=end, reason=reason, **whom))
    report = CampaignReport(
        campaign="may", run_id="run", started_at=DEFAULT_START, ended_at=DEFAULT_START, rows_read=0, buckets={}
    )
    events.emit_campaign_started("may", rows=3, agent_id=None)
    events.emit_campaign_finished(report)
    events.emit_campaign_finished(report.model_copy(update={"stopped": "max_calls"}))
    return reported


def test_every_event_is_documented(emitted: list[dict[str, Any]]) -> None:
    said = [row[0].strip("`") for row in table(read("reference/events.md"), "Out: events for Prefect")]
    assert sorted(said) == sorted(each["event"] for each in emitted)


def test_every_field_of_an_events_payload_is_documented(emitted: list[dict[str, Any]]) -> None:
    page = read("reference/events.md")
    payloads = {each["event"]: list(each["payload"]) for each in emitted}
    started = [row[0].strip("`") for row in table(page, "Payload of a campaign's start")]
    ended = [row[0].strip("`") for row in table(page, "Payload of a campaign's end")]
    assert sorted(started) == sorted(payloads["hamsa.campaign.started"])
    assert sorted(ended) == sorted(payloads["hamsa.campaign.finished"])
    assert sorted(ended) == sorted(payloads["hamsa.campaign.stopped"])
    for kind in ("placed", "ended", "uncertain"):
        fields = [row[0].strip("`") for row in table(page, "Payload of a call") if row[1] in ("all", kind)]
        assert sorted(fields) == sorted(payloads[f"hamsa.call.{kind}"]), kind


def test_resources_and_roles_of_events_are_documented(emitted: list[dict[str, Any]]) -> None:
    page = read("reference/events.md")
    for event in emitted:
        assert event["resource"]["prefect.resource.id"].rpartition(".")[0] in page
        for label in event["resource"]:
            reported = "hamsa.outcome.<field>" if label == "hamsa.outcome.promise" else label
            assert reported.startswith("prefect.") or f"`{reported}`" in page
        for related in event.get("related", ()):
            assert f"`{related['prefect.resource.role']}`" in page
    assert f"cut at {events.LONGEST_VALUE} characters" in page


def test_the_example_of_an_event_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = (json.loads(block.text) for block in blocks(read("reference/events.md")) if block.language == "json")
    reported: list[dict[str, Any]] = []
    monkeypatch.setattr(events, "emit_event", lambda event, **rest: reported.append({"event": event, **rest}))
    payload = shown["payload"]
    whom = {name: payload[name] for name in ("campaign", "recipient_id", "attempt", "call_key", "job_id")}
    ended = {name: payload[name] for name in ("duration_seconds", "cost", "opted_out", "outcome")}
    events.call_event_emitter(list(payload["outcome"]))(
        CallEvent(
            kind="ended",
            phone="+12125550123",
            run_id="run",
            agent_id="agent-collections",
            end=CallEnd(state=AttemptState(payload["status"]), **ended),
            **whom,
        )
    )
    assert reported == [shown]


def test_every_event_that_is_taken_and_every_answer_is_documented() -> None:
    page = read("reference/events.md")
    taken = [row[0].strip("`") for row in table(page, "In: what Hamsa sends")]
    assert set(taken) >= RECORDED
    answers = [row[0] for row in table(read("how-to/webhooks.md"), "What it answers")]
    receiver = (ROOT / "webhooks" / "receiver.py").read_text(encoding="utf-8")
    given = set(re.findall(r"Refusal\(\s*(\d{3})|status_code=(\d{3})|, (\d{3}) if ", receiver))
    codes = {code for codes in given for code in codes if code}
    assert codes - {"400"} <= set(answers), "400 answers nobody: the client has gone"
    assert RETRY_AFTER_SECONDS > 0


# -- errors ------------------------------------------------------------------------------------------------------------


def public_errors() -> set[type[BaseException]]:
    """Every class of error that a user's code can catch."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found: set[type[BaseException]] = set()
    todo: list[type[BaseException]] = [HamsaError, CampaignError]
    while todo:
        kind = todo.pop()
        found.add(kind)
        todo += [each for each in kind.__subclasses__() if each.__module__.partition(".")[0] in PACKAGES]
    return {kind for kind in found if not kind.__name__.startswith("_")}


def test_every_class_of_error_is_documented_below_its_parent() -> None:
    tree = read("reference/errors.md").split("\n## Classes\n", 1)[1].split("\n## ", 1)[0]
    depths = {name: len(lead) for lead, name in re.findall(r"^([│├└─ ]*)([A-Z]\w+)", tree, re.MULTILINE)}
    order = list(depths)
    for kind in public_errors():
        assert kind.__name__ in depths, f"docs/reference/errors.md does not tell of {kind.__name__}"
        parent = kind.__mro__[1].__name__
        if kind not in (HamsaError, CampaignError):
            above = [name for name in order[: order.index(kind.__name__)] if depths[name] < depths[kind.__name__]]
            assert above[-1] == parent, f"{kind.__name__} is a {parent}"


def test_every_error_says_where_it_is_imported_from() -> None:
    tree = read("reference/errors.md").split("\n## Classes\n", 1)[1]
    for module in re.findall(r"from ((?:campaign|blocks|tasks|flows)\.\w+)\n", tree):
        name = re.search(rf"([A-Z]\w+) .*from {module}\n", tree)
        assert name is not None
        assert hasattr(importlib.import_module(module), name[1]), f"{module} has no {name[1]}"


def test_every_bucket_is_documented() -> None:
    said = [row[:3] for row in table(read("reference/errors.md"), "Buckets")]
    assert said == expected.bucket_rows(), f"has to say:\n{as_table(expected.bucket_rows())}"
    assert all(row[3] for row in table(read("reference/errors.md"), "Buckets")), "each with what to do"
    assert len(said) == len(Bucket)


def test_every_reason_to_stop_is_documented() -> None:
    said = [row[0].strip("`") for row in table(read("reference/errors.md"), "A run that stops early")]
    assert sorted(set(said)) == sorted(get_args(get_type_hints(Stop)["kind"]))


def test_sentences_that_are_explained_are_sentences_of_the_code() -> None:
    page = read("reference/errors.md")
    code = "".join(
        re.sub(r'"\s*\n\s*f?r?"', "", path.read_text(encoding="utf-8"))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    ).replace('\\"', '"')
    page = page.split("\n## Buckets\n")[0]
    headings = ["Key, agent, Hamsa", "Blocks and policy", "Rows", "Approval", "The ledger", "Single calls"]
    sentences = [row[0] for heading in headings for row in table(page, heading)]
    sentences += [row[2] for row in table(page, "A run that stops early") if row[2]]
    unknown = [each for each in sentences if each not in code and each.replace("\\", "\\\\") not in code]
    assert not unknown


# -- the explanation ---------------------------------------------------------------------------------------------------

WHY = "explanation/why-nobody-is-called-twice.md"


def test_transitions_are_those_of_the_explanation() -> None:
    said: dict[str, set[str]] = {}
    for into, origins in table(read(WHY), "The life of an attempt"):
        for state in re.findall(r"`(\w+)`", into):
            said[state] = set(re.findall(r"`(\w+)`", origins))
    allowed = {state.value: {origin.value for origin in origins} for state, origins in TRANSITIONS.items()}
    assert said == allowed


def test_every_state_is_in_the_picture() -> None:
    picture = read(WHY).split("```")[1]
    assert {state.value for state in AttemptState} <= set(re.findall(r"\w+", picture))


def test_figures_are_those_of_the_explanation() -> None:
    page, times = " ".join(read(WHY).split()), Timeouts()
    assert (
        f"{times.pool_seconds:g} s for a free connection, twice {times.connect_seconds:g} s to connect, "
        f"{times.write_seconds:g} s to send and {times.read_seconds:g} s to answer"
    ) in page
    grace = Policy.model_fields["settle_grace_seconds"].default
    assert f"{grace / 60:g} minutes unless it says otherwise: longer than the longest call" in page
    assert min(grace, DialSettings().give_up_after_seconds) > 600, "the longest call that Hamsa documents"
    settle = DialSettings()
    assert (settle.settle_looks, settle.settle_look_every_seconds, settle.clock_skew_seconds) == (3, 60.0, 300.0)
    assert "after three such looks, a minute or more apart" in page
    assert "five minutes wider on both sides" in page


def test_the_ledgers_version_is_the_one_that_is_documented() -> None:
    assert f"The version is {SCHEMA_VERSION} in release" in read("how-to/upgrade.md")
    assert f"The ledger's schema has version {SCHEMA_VERSION}." in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def _pages_with(word: str) -> list[Path]:
    return [page for page in sorted((ROOT / "docs").rglob("*.md")) if word in page.read_text(encoding="utf-8").lower()]


def test_nothing_claims_to_be_compliant() -> None:
    assert not _pages_with("compliant")
    assert not _pages_with("complies")
