"""What a person says of an uncertain attempt settles it, with who and why, and nothing else can be settled so."""

import asyncio
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from campaign.attempts import Attempt, AttemptState
from campaign.buckets import Bucket
from campaign.errors import CampaignError
from campaign.ledger.ledger import Ledger
from campaign.rules.policy.dial_settings import DialSettings
from tasks.settle_by_hand import SettledByHand, settle_by_hand
from tests.campaign.campaign_world import CampaignWorld, people

SAID = {"campaign": "c", "recipient_id": "c0", "who": "Mona", "why": "she asked the customer"}


@pytest.fixture
async def lost(tmp_path: Path) -> CampaignWorld:
    """A world in which the answer to the only call was lost, and in which the list shows nothing."""
    world = CampaignWorld(path=tmp_path / "calls.db", url=f"sqlite:///{tmp_path / 'calls.db'}")
    world.sandbox.change(lies={"list_hides": "everything"})
    world.sandbox.fail_next("error_before")
    (result,) = await world.dial(people(1), settings=DialSettings(hold_uncertain_seconds=5))
    assert result.bucket is Bucket.UNCERTAIN
    return world


async def say(world: CampaignWorld, **said: object) -> AttemptState:
    async with Ledger(world.url, clock=world.clock) as ledger:
        settled = await settle_by_hand.fn(ledger, SettledByHand.model_validate({**SAID, **said}), account="project")
        return settled.state


async def test_a_phone_that_did_not_ring_may_be_called_again(lost: CampaignWorld) -> None:
    assert await say(lost, the_phone="did not ring") is AttemptState.NOT_PLACED
    with closing(sqlite3.connect(lost.path)) as ledger, ledger:
        assert ledger.execute("SELECT rang, who, why FROM call_settlements").fetchall() == [
            (0, "Mona", "she asked the customer")
        ]
    lost.sandbox.change(lies={"list_hides": "nothing"})
    (result,) = await lost.dial(people(1))
    assert result.bucket.group == "called"
    assert lost.sandbox.rings() == 1


async def test_a_phone_that_rang_is_not_called_again(lost: CampaignWorld) -> None:
    assert await say(lost, the_phone="rang") is AttemptState.COMPLETED
    (attempt,) = await lost.attempts()
    assert attempt.error == "settled by hand: Mona says that the phone rang (she asked the customer)"
    (result,) = await lost.dial(people(1))
    assert result.bucket is Bucket.ALREADY_CALLED
    assert lost.sandbox.rings() == 0


async def test_what_is_not_uncertain_or_not_there_is_refused_by_name(lost: CampaignWorld) -> None:
    with pytest.raises(CampaignError, match="The ledger has no attempt 2 at c0 in campaign c"):
        await say(lost, the_phone="rang", attempt=2)
    await say(lost, the_phone="rang")
    with pytest.raises(CampaignError, match="attempt 1 at c0 in campaign c is completed"):
        await say(lost, the_phone="did not ring")
    async with Ledger(lost.url, clock=lost.clock) as ledger:
        said = SettledByHand.model_validate({**SAID, "the_phone": "rang"})
        with pytest.raises(CampaignError, match="made with this key"):
            await settle_by_hand.fn(ledger, said, account="another project")


@pytest.mark.parametrize("missing", ["who", "why"])
def test_who_and_why_have_to_be_said(missing: str) -> None:
    with pytest.raises(ValidationError):
        SettledByHand.model_validate({**SAID, "the_phone": "rang", missing: " "})


@pytest.mark.parametrize(
    "given",
    [None, {}, {"campaign": "", "recipient_id": None, "attempt": 1, "the_phone": "not said", "who": " ", "why": ""}],
    ids=["null", "nothing", "untouched"],
)
def test_a_form_that_was_left_untouched_says_nothing(given: object) -> None:
    assert SettledByHand.model_validate(given).is_empty


def test_a_form_that_was_filled_in_by_half_is_refused_by_what_it_lacks() -> None:
    with pytest.raises(ValidationError, match="lacks `the_phone`, `why`: say all of it, or nothing"):
        SettledByHand.model_validate({"campaign": "c", "recipient_id": 17.0, "who": "Mona"})


@pytest.mark.parametrize("said", ["rang", "did not ring"])
async def test_what_a_run_finds_out_in_the_same_moment_stands_and_is_said(
    lost: CampaignWorld, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    settle_by_hand_in_ledger = Ledger.settle_by_hand

    async def after_a_run(ledger: Ledger, attempt: Attempt, **more: Any) -> bool:
        await ledger.place(attempt.call_key, "job-1", adopted_by="key")
        return await settle_by_hand_in_ledger(ledger, attempt, **more)

    monkeypatch.setattr(Ledger, "settle_by_hand", after_a_run)
    with pytest.raises(CampaignError, match=r"c0 in campaign c is placed \(Hamsa has its call: job job-1\)"):
        await say(lost, the_phone=said)
    (attempt,) = await lost.attempts()
    assert attempt.state is AttemptState.PLACED
    with closing(sqlite3.connect(lost.path)) as ledger, ledger:
        assert ledger.execute("SELECT * FROM call_settlements").fetchall() == []


async def test_of_two_persons_the_first_one_counts(lost: CampaignWorld) -> None:
    said = [say(lost, the_phone=what, who=who) for what, who in (("rang", "Mona"), ("did not ring", "Adam"))]
    results = await asyncio.gather(*said, return_exceptions=True)
    assert sorted(isinstance(result, CampaignError) for result in results) == [False, True]
    with closing(sqlite3.connect(lost.path)) as ledger, ledger:
        ((rang, who),) = ledger.execute("SELECT rang, who FROM call_settlements").fetchall()
    (attempt,) = await lost.attempts()
    assert (rang, who, attempt.state) in [
        (1, "Mona", AttemptState.COMPLETED),
        (0, "Adam", AttemptState.NOT_PLACED),
    ]


async def test_a_number_that_a_person_gives_as_their_reason_is_shown_nowhere(
    lost: CampaignWorld, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await say(lost, the_phone="rang", why="she called back from +44 20 7946 0000")
    (attempt,) = await lost.attempts()
    assert "7946" not in f"{attempt.error}{caplog.text}"
