"""The proof is worth something only if it notices: each planted fault must be found, by chance and by a named test."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test

from campaign.intake.recipients import Recipient
from campaign.ledger.ledger import Ledger
from tests.campaign.campaign_world import CampaignWorld, people
from tests.promises import test_settling as settling
from tests.promises.lying_world import one_world
from tests.promises.mutants import (
    adopt_the_first_candidate,
    believe_what_a_list_counts,
    claim_after_the_post,
    judge_refusals_by_ones_own_settings,
    look_without_controls,
    retry_on_timeout,
    rule_out_by_a_missing_key,
    rule_out_by_what_is_displayed,
)
from tests.promises.test_every_moment import Worlds, kill_at_any_instruction
from tests.promises.test_lying_worlds import MEASURED, OPTED_OUT, drawn_plans
from tests.promises.test_state_machine import Promises

Mutant = Callable[[], AbstractContextManager[None]]

BROKEN = (
    "rang twice|rang more than|no claim|more rings|call of another attempt|two owners|taken for ours|wrong call"
    "|without its end"
)
"""What the promises say when one of them is broken; anything else would be a fault of the proof."""

EXAMPLES = 150
"""So many histories at most until the state machine must have found a planted fault. It takes far fewer."""


# To adopt the first candidate is found by three named tests, below, at once; by chance it takes a minute.
@pytest.mark.parametrize(
    "mutant",
    [pytest.param(adopt_the_first_candidate, marks=pytest.mark.thorough), claim_after_the_post, retry_on_timeout],
)
def test_the_state_machine_finds_a_planted_fault(mutant: Mutant) -> None:
    search = settings(
        max_examples=EXAMPLES,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate],  # that it is found matters, not how shortly it can be told
    )
    with mutant(), pytest.raises(AssertionError, match=BROKEN):
        run_state_machine_as_test(Promises, settings=search)


@pytest.mark.parametrize("mutant", [claim_after_the_post, retry_on_timeout])
def test_a_run_killed_at_any_instruction_finds_a_planted_fault(mutant: Mutant, tmp_path: Path) -> None:
    worlds = Worlds(tmp_path)
    try:
        with mutant(), pytest.raises(AssertionError, match=BROKEN):
            kill_at_any_instruction(worlds, before=True)
    finally:
        worlds.close()


@pytest.mark.parametrize(
    "promise",
    [
        settling.test_two_calls_that_cannot_be_distinguished_leave_the_attempt_uncertain_for_ever,
        settling.test_each_campaigns_own_settling_knows_of_the_others_uncertain_attempts,
        settling.test_a_call_whose_answer_is_still_on_its_way_is_not_taken_from_its_attempt,
    ],
)
async def test_settling_by_the_first_candidate_breaks_a_promise(
    promise: Callable[[settling.Desk, Recipient], Awaitable[None]], world: CampaignWorld
) -> None:
    async with Ledger(world.url, clock=world.clock) as ledger:
        desk = settling.Desk(world, ledger)
        with adopt_the_first_candidate(), pytest.raises(AssertionError):
            await promise(desk, people(1)[0])
        await desk.client.aclose()


@pytest.mark.parametrize(
    ("mutant", "world"),
    [
        (rule_out_by_what_is_displayed, "dates only"),
        (rule_out_by_a_missing_key, "key late"),
        (believe_what_a_list_counts, "filtered counts the page"),
    ],
)
def test_the_worlds_in_which_phones_rang_twice_find_the_fault_that_let_them(mutant: Mutant, world: str) -> None:
    with mutant(), pytest.raises(AssertionError, match=BROKEN):
        one_world(MEASURED[world])


@pytest.mark.parametrize("world", ["by a run", "by a webhook"])
def test_opt_outs_judged_by_ones_own_settings_are_found_to_be_called_again(world: str) -> None:
    with judge_refusals_by_ones_own_settings(), pytest.raises(AssertionError, match="called after opting out"):
        one_world(OPTED_OUT[world])


@pytest.mark.parametrize("mutant", [look_without_controls, believe_what_a_list_counts])
def test_random_worlds_find_a_fault_that_was_there(mutant: Mutant) -> None:
    search = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate],
    )
    with mutant(), pytest.raises(AssertionError, match=BROKEN):
        search(given(plan=drawn_plans())(one_world))()
