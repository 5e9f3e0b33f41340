"""Parameters as people's systems have them: numbers as ids are taken, and what cannot be meant is refused by name."""

import logging
from typing import Any

import pytest
from prefect.flows import Flow
from pydantic import SecretStr

from blocks import HamsaCredentials, VoiceAgent
from flows.call_customer import call_customer
from flows.call_overdue_customers import call_overdue_customers
from flows.hold_campaign import hold_campaign
from flows.resume_campaign import resume_campaign
from runtime.run_states.wrong_parameters import WrongParameter

AGENT = VoiceAgent(credentials=HamsaCredentials(api_key=SecretStr("sk_sandbox")), voice_agent_id="agent")
CALL: dict[str, Any] = {"agent": AGENT, "phone": "+12125550177", "recipient_id": "c-17"}
HOLD: dict[str, Any] = {"campaign": "overdue", "note": "wrong amounts"}
NEITHER = "which is neither a text nor a number. Nobody was called."


@pytest.mark.parametrize(
    ("flow", "given", "name", "taken"),
    [
        (call_customer, CALL, "recipient_id", {17: "17", 18.0: "18", 0: "0", -3: "-3", 17.5: "17.5", "0017": "0017"}),
        (call_customer, CALL, "recipient_id", {2**53 + 1: str(2**53 + 1), " c-1\u200e ": "c-1"}),
        (call_customer, CALL, "phone", {12125550177: "12125550177", "+1 212 555 0177": "+1 212 555 0177"}),
        (call_customer, CALL, "campaign", {2026: "2026", None: "", "": ""}),
        (call_customer, CALL, "region", {None: "", "US": "US"}),
        (hold_campaign, HOLD, "campaign", {2026: "2026", 2027.0: "2027"}),
        (resume_campaign, {"campaign": "x"}, "campaign", {2026: "2026"}),
    ],
)
def test_a_number_is_taken_as_the_text_that_a_persons_own_system_shows(
    flow: Flow[..., Any], given: dict[str, Any], name: str, taken: dict[Any, str]
) -> None:
    for value, text in taken.items():
        assert flow.validate_parameters({**given, name: value})[name] == text


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("recipient_id", True, f"The parameter `recipient_id` holds true, {NEITHER}"),
        ("recipient_id", [17], f"The parameter `recipient_id` holds [17], {NEITHER}"),
        ("recipient_id", {"id": 17}, f'The parameter `recipient_id` holds {{"id": 17}}, {NEITHER}'),
        ("recipient_id", None, "The parameter `recipient_id` is empty. Nobody was called."),
        ("recipient_id", " ", "The parameter `recipient_id` is empty. Nobody was called."),
        ("recipient_id", float("nan"), "The parameter `recipient_id` is empty. Nobody was called."),
        ("recipient_id", 2.0**53, "holds a number of so many digits that some may be lost"),
        ("recipient_id", "x" * 256, "The parameter `recipient_id` is longer than 255 characters. Nobody was called."),
        ("phone", 1.2125550177e10, "The parameter `phone` holds a number with a fraction or an exponent"),
        ("phone", True, f"The parameter `phone` holds true, {NEITHER}"),
        ("phone", ["+12125550177"], f'The parameter `phone` holds ["+•••••••••••"], {NEITHER}'),
        ("phone", None, "The parameter `phone` is empty. Nobody was called."),
        ("phone", "1" * 65, "The parameter `phone` is longer than 64 characters. Nobody was called."),
        ("campaign", ["a"], f'The parameter `campaign` holds ["a"], {NEITHER}'),
        ("campaign", "x" * 256, "The parameter `campaign` is longer than 255 characters. Nobody was called."),
        ("params", "Mona", "The parameter `params`: input should be a valid dictionary. Nobody was called."),
        ("wait_at_most_hours", -1, "The parameter `wait_at_most_hours`: input should be greater than or equal to 0."),
        ("recipient", "c-17", "There is no parameter `recipient`; there are agent, call_hours, campaign,"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name_and_no_number_is_logged(
    name: str, value: Any, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(WrongParameter) as refused:
        call_customer.validate_parameters({**CALL, name: value})
    assert sentence in str(refused.value)
    assert "5550177" not in str(refused.value)
    assert "5550177" not in caplog.text, "Prefect's own line would have all parameters of the run"
    assert refused.value.__cause__ is None


def test_what_is_missing_is_named_all_at_once() -> None:
    with pytest.raises(WrongParameter) as refused:
        call_customer.validate_parameters({"agent": AGENT})
    assert str(refused.value) == (
        "The parameter `phone`: field required. The parameter `recipient_id`: field required. Nobody was called."
    )


def test_a_campaigns_parameters_are_judged_alike() -> None:
    with pytest.raises(WrongParameter, match="The parameter `min_days_overdue`: input should be a valid integer"):
        call_overdue_customers.validate_parameters(
            {"agent": AGENT, "customers": {"path": "x.csv"}, "min_days_overdue": "soon"}
        )
