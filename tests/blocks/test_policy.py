"""A calling policy as a block means what the policy itself means, and says in sentences what it does not take."""

import pytest

from blocks import CallingPolicy
from blocks.checked import BlockError
from campaign.rules.policy.policy import Policy


def test_the_block_has_the_policys_fields_and_no_others() -> None:
    assert list(CallingPolicy.model_fields) == list(Policy.model_fields)


def test_the_block_means_what_the_policy_means() -> None:
    fields = {"preset": "sa", "lines": 20, "max_attempts": 2, "windows": [{"start": "9:00", "end": "12:00"}]}
    assert CallingPolicy(**fields).resolved() == Policy.model_validate(fields).resolved()


def test_strict_is_what_nobody_had_to_ask_for() -> None:
    assert CallingPolicy().resolved() == Policy(preset="strict").resolved()


def test_wrong_values_are_named_in_one_sentence() -> None:
    with pytest.raises(BlockError) as raised:
        CallingPolicy(lines=0, windows=[{"start": "25:00"}])
    assert str(raised.value) == (
        "Calling Policy: `windows.1.start` is '25:00', which is not a time of day; write it as in '09:30'; "
        "`lines` is 0, but should be greater than or equal to 1."
    )


def test_a_rule_between_fields_is_one_sentence_as_well() -> None:
    with pytest.raises(
        BlockError, match=r"^Calling Policy: `poll_min_seconds` \(20\) is more than .*; make it smaller\.$"
    ):
        CallingPolicy(poll_min_seconds=20, poll_max_seconds=10)


def test_a_misspelled_field_is_refused_by_name() -> None:
    with pytest.raises(BlockError, match="there is no field `max_attempt`; perhaps `max_attempts` is meant"):
        CallingPolicy(max_attempt=3)  # type: ignore[call-arg]  # the mistake under test


def test_what_a_form_leaves_empty_means_what_the_preset_says() -> None:
    assert CallingPolicy(preset="", max_calls=None, windows=None, concurrency_limit=" ") == CallingPolicy()
