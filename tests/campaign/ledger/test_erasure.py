"""Whoever is erased is in the ledger no more, and is protected as before: on both databases, and after a crash."""

import asyncio
import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from campaign.attempts import COUNTS, OPEN, Claim
from campaign.attempts import AttemptState as S
from campaign.buckets import Bucket
from campaign.dialing.claiming import Claimant, claim_request
from campaign.errors import LedgerError
from campaign.intake import PeopleShown
from campaign.intake.recipients import Recipient
from campaign.ledger import Approval, Refusal
from campaign.ledger.database.connections import Database
from campaign.ledger.erasure import Erased, Order
from campaign.ledger.erasure.rows import EMPTIED
from campaign.ledger.ledger import CallEnd, ClaimRequest, Ledger
from campaign.ledger.schema import call_attempts, metadata
from campaign.rules.policy import Policy
from campaign.rules.rules import Never, NotNow
from tests.campaign.ledger.asking import phone

POLICY = Policy(preset="unrestricted", max_attempts=5)
MAY_BE_CALLED = Order(by="Huda", why="she asked for it", may_be_called=True)
NOT_CALLED = Order(by="Huda", why="she asked for it")


def ask(
    number: int = 1,
    *,
    campaign: str = "c",
    policy: Policy = POLICY,
    recipient_id: str | None = None,
    person: str | None = None,
    debt: str | None = None,
    run_id: str = "run",
) -> ClaimRequest:
    recipient = Recipient(
        id=recipient_id or f"customer-{number}",
        phone=phone(number),
        zones=("Europe/London",),
        country="GB",
        person=person,
        debt=debt,
    )
    return claim_request(
        recipient,
        Claimant(
            campaign=campaign, run_id=run_id, rules=policy.resolved(), lease_seconds=90.0, account=None, agent_id=None
        ),
    )


async def call(ledger: Ledger, request: ClaimRequest, state: S = S.COMPLETED, **end: Any) -> Claim:
    """Call somebody, and bring the attempt into a state."""
    claim = await ledger.claim(request)
    assert isinstance(claim, Claim), claim
    job_id = f"job-{claim.call_key}"
    if state is S.PLACED:
        await ledger.place(claim.call_key, job_id, record={"params": {"phone": claim.phone}})
    elif state is S.UNCERTAIN:
        await ledger.mark_uncertain(claim, error=f"the answer about {claim.phone} was lost", answer="gone")
    elif state is S.RELEASED:
        await ledger.release(claim, error=f"no connection to {claim.phone}")
    elif state is not S.CLAIMED:
        said = {"name": f"{claim.recipient_id} at {claim.phone}"}
        facts = {"status": "COMPLETED", "outcome": said, "record": {"params": said}, "error": str(said), **end}
        await ledger.end(CallEnd(state, **facts), call_key=claim.call_key, job_id=job_id)
    return claim


def database_of(ledger: Ledger) -> Database:
    return ledger._database  # noqa: SLF001 - all that its tables hold is looked at


async def everything(ledger: Ledger) -> str:
    """All that the tables hold."""
    rows = []
    for table in metadata.tables.values():
        rows += [tuple(row) for row in await database_of(ledger).fetch(sa.select(table))]
    return str(rows)


def bucket(answer: object) -> Bucket | None:
    return answer.bucket if isinstance(answer, Never | NotNow) else None


async def fill(ledger: Ledger) -> None:
    """Somebody in every table: customer 1, called twice, barred, refused, shown, and written about."""
    await call(ledger, ask(1, debt="invoice-9001"))
    await call(ledger, ask(1, campaign="d", run_id="second"), S.NO_ANSWER)
    await call(ledger, ask(2))
    at = ledger.now()
    said = f"customer-1 at {phone(1)} and +44 (0) 20 7946-0001"
    await ledger.note_refusals(
        [
            Refusal(
                "third", row, "c", each, number, Bucket.DEFERRED.value, f"{said if row < 3 else ''}!", None, None, at
            )
            for row, each, number in ((1, "customer-1", phone(1)), (2, "customer-1", None), (3, "customer-2", None))
        ]
    )
    await ledger.add_opt_outs([(phone(1), "customer-1"), (phone(1), None), (None, "customer-1")], origin="web form")
    await ledger.lift_opt_outs(by="Huda", because=said, person="customer-1", phone=phone(1))
    await ledger.hold("c", note=f"do not ring {said}", held_by="Huda")
    await ledger.hold("c", note=f"rang {said}", on=False)
    people = PeopleShown("c")
    people.add(
        Recipient(id=f"customer-{number}", phone=phone(number), zones=("Europe/London",), country="GB")
        for number in (1, 2)
    )
    shown = Approval("c", "run", at, 2, recipients=people.as_bytes(), note=f"not {said}")
    await ledger.keep_question(shown)
    await ledger.keep_answer(shown)


async def test_nothing_in_any_table_names_somebody_who_was_erased_and_others_are_as_they_were(ledger: Ledger) -> None:
    await fill(ledger)
    before = await ledger.attempts(recipient_ids=["customer-2"])
    found = await ledger.erasures.erase(None, "customer-1", Order("Huda", f"customer-1 called from {phone(1)}"))
    assert (found.calls, found.open_calls, found.refusals, found.opt_outs) == (2, 0, 2, 3)
    assert found.run_ids == ["run", "second", "third"]
    assert len(found.job_ids) == 2

    held = await everything(ledger)
    for named in ("customer-1", phone(1), phone(1)[3:], "7946-0001", "invoice-9001"):
        assert named not in held
    assert await ledger.attempts(recipient_ids=["customer-2"]) == before
    asked = await ledger.last_approval("c")
    assert asked is not None
    shown = PeopleShown("c", asked.recipients or b"")
    assert len(shown) == 1
    assert await ledger.refusals_of(phones=[], persons=["customer-2"], most=5)


async def test_by_a_number_the_persons_other_numbers_and_ids_go_too(ledger: Ledger) -> None:
    await call(ledger, ask(1, recipient_id="invoice-1", person="huda-1"))
    await call(ledger, ask(2, recipient_id="invoice-2", person="huda-1"))
    await ledger.erasures.erase(phone(1), None, NOT_CALLED)
    held = await everything(ledger)
    for named in ("invoice-1", "invoice-2", "huda-1", phone(1), phone(2)):
        assert named not in held
    assert bucket(await ledger.claim(ask(2, campaign="new", recipient_id="another"))) is Bucket.OPTED_OUT


async def test_a_number_of_several_people_is_erased_for_each_alone_or_for_all_if_somebody_says_so(
    ledger: Ledger,
) -> None:
    await call(ledger, ask(1, recipient_id="huda-1"))
    await call(ledger, ask(1, recipient_id="samir-2", campaign="d"))
    with pytest.raises(LedgerError, match="belongs to 2 people in the ledger, so nobody was erased"):
        await ledger.erasures.erase(phone(1), None, NOT_CALLED)
    await ledger.erasures.erase(None, "huda-1", NOT_CALLED)
    held = await everything(ledger)
    assert "huda-1" not in held
    assert "samir-2" in held
    # The number is still his, so it is not barred; she is, at whatever number.
    assert isinstance(await ledger.claim(ask(1, recipient_id="samir-2", campaign="e")), Claim)
    assert bucket(await ledger.claim(ask(3, recipient_id="huda-1", campaign="e"))) is Bucket.OPTED_OUT
    everyone = Order("Huda", "both asked", everyone=True)
    assert (await ledger.erasures.erase(phone(1), None, everyone)).open_calls == 1


@pytest.mark.parametrize("state", sorted(COUNTS - OPEN))
async def test_attempts_and_caps_and_silence_hold_for_whoever_was_erased(ledger: Ledger, state: S) -> None:
    await call(ledger, ask(1, debt="d"), state)
    await ledger.erasures.erase(phone(1), None, MAY_BE_CALLED)
    once = POLICY.model_copy(update={"max_attempts": 1})
    same = await ledger.claim(ask(1, policy=once))
    assert bucket(same) in (Bucket.ALREADY_CALLED, Bucket[state.name]), same
    capped = Policy(preset="unrestricted", per_24_hours=1)
    assert bucket(await ledger.claim(ask(1, campaign="new", policy=capped))) is Bucket.DEFERRED
    # By another id at the same number, and by the same id at another number.
    assert bucket(await ledger.claim(ask(1, campaign="new", recipient_id="x", policy=capped))) is Bucket.DEFERRED
    other = await ledger.claim(ask(2, campaign="new", recipient_id="customer-1", policy=capped))
    assert bucket(other) is Bucket.DEFERRED
    forecast = await ledger.history("new", [phone(1)], ["customer-1"], rules=capped.resolved())
    assert [past.state for past in forecast.of(phone(1), "customer-1")] == [state]
    assert isinstance(await ledger.claim(ask(1, campaign="new")), Claim)


async def test_the_number_of_whoever_was_erased_is_called_for_nobody_else_in_the_campaign(ledger: Ledger) -> None:
    await call(ledger, ask(1))
    await ledger.erasures.erase(phone(1), None, MAY_BE_CALLED)
    other = await ledger.claim(ask(1, recipient_id="somebody-else"))
    assert bucket(other) is Bucket.DUPLICATE_NUMBER


async def test_an_attempt_that_rang_nowhere_is_claimed_again_as_the_same_one(ledger: Ledger) -> None:
    first = await call(ledger, ask(1), S.RELEASED)
    await ledger.erasures.erase(phone(1), None, MAY_BE_CALLED)
    again = await ledger.claim(ask(1))
    assert isinstance(again, Claim)
    assert (again.call_key, again.attempt, again.turn, again.phone) == (first.call_key, 1, 2, phone(1))


async def test_opt_outs_hold_under_pseudonyms_until_a_person_lifts_them(ledger: Ledger) -> None:
    await call(ledger, ask(1), outcome={"wants_no_more_calls": "yes"})
    await ledger.erasures.erase(None, "customer-1", MAY_BE_CALLED)
    assert bucket(await ledger.claim(ask(1, campaign="new"))) is Bucket.OPTED_OUT
    assert bucket(await ledger.claim(ask(1, campaign="new", recipient_id="x"))) is Bucket.OPTED_OUT
    barred = await ledger.history("new", [phone(1)], ["customer-1"])
    assert barred.opt_out_of(phone(1), "customer-1") is not None
    # The other channel's list names them again: they are known, and not named by it.
    assert await ledger.add_opt_outs([(phone(1), "customer-1")], origin="web form") == (1, 0)
    assert await ledger.add_opt_outs([(phone(1), "customer-1")], origin="web form") == (0, 0)
    assert phone(1) not in await everything(ledger)
    assert len(await ledger.lift_opt_outs(by="Huda", because="they wrote", phone=phone(1))) == 2
    assert isinstance(await ledger.claim(ask(1, campaign="new")), Claim)


async def test_whoever_was_erased_is_not_called_at_all_unless_somebody_says_so(ledger: Ledger) -> None:
    await call(ledger, ask(1))
    await ledger.erasures.erase(None, "customer-1", NOT_CALLED)
    answer = await ledger.claim(ask(1, campaign="new", recipient_id="another-id"))
    assert bucket(answer) is Bucket.OPTED_OUT
    assert "was erased" in str(answer)
    await ledger.lift_opt_outs(by="Huda", because="signed up again", person="customer-1")
    await ledger.lift_opt_outs(by="Huda", because="signed up again", phone=phone(1))
    assert isinstance(await ledger.claim(ask(1, campaign="new")), Claim)


@pytest.mark.parametrize("state", sorted(OPEN))
async def test_a_call_that_is_not_over_keeps_its_protection_and_is_erased_with_its_end(
    ledger: Ledger, state: S
) -> None:
    claim = await call(ledger, ask(1), state)
    found = await ledger.erasures.erase(phone(1), None, MAY_BE_CALLED)
    assert (found.calls, found.open_calls) == (0, 1)
    (row,) = await ledger.unfinished()
    assert (row.phone, row.recipient_id) == (phone(1), "customer-1")
    waits = (Bucket.IN_PROGRESS, Bucket.UNCERTAIN, Bucket.OTHER_RUN, Bucket.DEFERRED)
    assert bucket(await ledger.claim(ask(1, campaign="new"))) in waits

    said = {"wants_no_more_calls": True, "name": "customer-1"}
    end = CallEnd(S.COMPLETED, status="COMPLETED", outcome=said, record={"phone": phone(1)}, cost=1.5)
    assert await ledger.end(end, call_key=claim.call_key, job_id=f"job-{claim.call_key}")
    held = await everything(ledger)
    assert phone(1) not in held
    assert "customer-1" not in held
    (row,) = await ledger.attempts()
    assert (row.state, row.cost, row.opted_out, row.outcome) == (S.COMPLETED, 1.5, True, None)
    assert bucket(await ledger.claim(ask(1, campaign="new"))) is Bucket.OPTED_OUT


async def test_a_person_who_settles_by_hand_brings_nothing_back(ledger: Ledger) -> None:
    await call(ledger, ask(1), S.UNCERTAIN)
    await ledger.erasures.erase(phone(1), None, NOT_CALLED)
    (attempt,) = await ledger.unfinished()
    assert await ledger.settle_by_hand(attempt, rang=False, who="Huda", why="customer-1 says so")
    held = await everything(ledger)
    assert phone(1) not in held
    assert "customer-1" not in held


async def test_late_reports_bring_nothing_back_but_a_no(ledger: Ledger) -> None:
    claim = await call(ledger, ask(1), outcome=None, record=None, error=None)
    await ledger.erasures.erase(phone(1), None, MAY_BE_CALLED)
    said = {"wants_no_more_calls": True, "name": "customer-1"}
    end = CallEnd(S.COMPLETED, status="DONE", outcome=said, record={"phone": phone(1)}, error=phone(1))
    assert not await ledger.end(end, call_key=claim.call_key)
    assert not await ledger.end(end, job_id=f"job-{claim.call_key}")
    held = await everything(ledger)
    assert phone(1) not in held
    assert "customer-1" not in held
    assert bucket(await ledger.claim(ask(1, campaign="new"))) is Bucket.OPTED_OUT


async def test_why_somebody_was_not_called_is_kept_under_pseudonyms_from_then_on(ledger: Ledger) -> None:
    await call(ledger, ask(1))
    await ledger.erasures.erase(phone(1), None, NOT_CALLED)
    at = ledger.now()
    await ledger.note_refusals(
        [
            Refusal("new", 1, "n", "customer-1", phone(1), Bucket.OPTED_OUT.value, f"{phone(1)}!", None, None, at),
            Refusal("new", 2, "n", "customer-2", phone(2), Bucket.OPTED_OUT.value, "asked", None, None, at),
        ]
    )
    held = await everything(ledger)
    assert phone(1) not in held
    assert phone(2) in held
    (mine,) = await ledger.refusals_of(phones=[phone(1)], persons=[], most=5)
    assert (mine.recipient_id, mine.phone, mine.bucket) == (mine.recipient_id, phone(1), Bucket.OPTED_OUT.value)
    assert mine.reason == "erased, and so are the reasons"


async def test_an_erased_person_is_shown_with_when_and_by_whom_and_twice_changes_nothing(ledger: Ledger) -> None:
    await call(ledger, ask(1))
    assert await ledger.erasures.of(phone(1), None) == []
    found = await ledger.erasures.erase(phone(1), None, NOT_CALLED)
    held = await everything(ledger)
    assert (await ledger.erasures.erase(phone(1), None, NOT_CALLED)).entries == []
    assert await everything(ledger) == held
    assert {entry.kind for entry in found.entries} == {"phone", "person"}
    for whose in ((phone(1), None), (None, "customer-1")):
        (reported,) = await ledger.erasures.of(*whose)
        assert (reported.erased_by, reported.reason) == ("Huda", "she asked for it")
    assert await ledger.erasures.of(phone(2), None) == []
    (mine,) = await ledger.calls_of(phones=[phone(1)], persons=[])
    assert (mine.phone, mine.erased_at is not None) == (phone(1), True)


async def test_nobody_is_erased_by_a_number_that_the_ledger_does_not_know(ledger: Ledger) -> None:
    await call(ledger, ask(1))
    assert (await ledger.erasures.erase(phone(7), None, NOT_CALLED)).entries == []
    assert isinstance(await ledger.claim(ask(7)), Claim)


async def test_an_erasure_in_the_midst_of_claims_leaves_each_claim_known_or_refused(ledger_url: str) -> None:
    async with Ledger(ledger_url) as ledger, Ledger(ledger_url) as other:
        await call(ledger, ask(1, campaign="before"))
        claims = [ledger.claim(ask(1, campaign=f"c{number}")) for number in range(8)]
        erasing = other.erasures.erase(phone(1), None, NOT_CALLED)
        *answers, found = await asyncio.gather(*claims[:4], erasing, *claims[4:]), None
        results = answers[0]
        found = next(each for each in results if isinstance(each, Erased))
        granted = [each for each in results if isinstance(each, Claim)]
        # Whoever was claimed before is in flight, and blocks all the others; nobody is claimed afterwards.
        assert len(granted) <= 1
        assert found.open_calls == len(granted)
        for claim in granted:
            await ledger.end(CallEnd(S.COMPLETED), call_key=claim.call_key, job_id="job")
        held = await everything(ledger)
        assert phone(1) not in held
        assert "customer-1" not in held


ERASE_AND_DIE = """
import asyncio, os, signal, sys
from campaign.ledger.erasure import Order, erasing, erasures
from campaign.ledger.ledger import Ledger

url, phone, place = sys.argv[1:]

async def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if place == "in its transaction":
    erasing.Erasing.log = die
elif place == "before the log":
    erasures.Erasures._finish = die
elif place == "before the cleaning":
    erasures.Database.clean_file = die

async def main():
    async with Ledger(url) as ledger:
        await ledger.erasures.erase(phone, None, Order("Huda", "she asked for it"))

asyncio.run(main())
"""


@pytest.mark.processes
@pytest.mark.parametrize("place", ["in its transaction", "before the log", "before the cleaning"])
async def test_an_erasure_that_is_killed_is_not_begun_or_finished_by_the_next_opening(
    ledger_url: str, place: str, tmp_path: Path
) -> None:
    async with Ledger(ledger_url) as ledger:
        await fill(ledger)
        held = await everything(ledger)
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", ERASE_AND_DIE, ledger_url, phone(1), place)
    assert await killed.wait() == -signal.SIGKILL
    async with Ledger(ledger_url) as ledger:
        if place == "in its transaction":
            assert await everything(ledger) == held
            await ledger.erasures.erase(phone(1), None, NOT_CALLED)
        held = await everything(ledger)
        assert await ledger.erasures.are_done()
        assert bucket(await ledger.claim(ask(1, campaign="new"))) is Bucket.OPTED_OUT
        found = held.encode() + bytes_of(tmp_path)
    for named in ("customer-1", phone(1), "7946-0001", "invoice-9001"):
        assert named.encode() not in found


KEPT = {
    *("call_key", "campaign", "attempt", "state", "run_id", "account", "agent_id", "agent_updated_at", "route"),
    *(
        "claimed_at",
        "denied_at",
        "lease_until",
        "placed_at",
        "ended_at",
        "updated_at",
        "job_id",
        "duration_seconds",
        "cost",
    ),
    *("reserved_cost", "status_code", "opted_out", "echoed", "tries", "looks", "looked_at", "opt_out_fields"),
    *("policy", "created_at", "adopted_by", "erasure", "erased_at"),
}
"""Columns of an erased attempt that say nothing of the person, and that limits, prices or settling need."""


def test_every_column_of_an_attempt_is_kept_emptied_or_made_a_pseudonym() -> None:
    pseudonyms = {"phone", "recipient_id", "person"}
    assert {*KEPT, *EMPTIED, *pseudonyms} == set(call_attempts.columns.keys())
    assert not KEPT & {*EMPTIED, *pseudonyms}


# -- the files, and older copies of them -------------------------------------------------------------------------------


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


async def test_the_file_and_its_journal_hold_no_digit_of_whoever_was_erased(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    async with Ledger(url) as ledger:
        await fill(ledger)
        await call(ledger, ask(1, campaign="e"), S.PLACED)
        assert phone(1)[1:].encode() in bytes_of(tmp_path)
        found = await ledger.erasures.erase(None, "customer-1", NOT_CALLED)
        (row,) = await ledger.unfinished()
        await ledger.end(CallEnd(S.COMPLETED, outcome={"p": phone(1)}), call_key=row.call_key)
        assert not await ledger.erasures.are_done()
    async with Ledger(url) as ledger:  # what the end took out is cleaned by whoever opens it next
        assert await ledger.erasures.are_done()
        held = bytes_of(tmp_path)
    for named in (phone(1), phone(1)[3:], "customer-1", "7946-0001"):
        assert named.encode() not in held
    assert phone(2).encode() in held
    log = tmp_path / "calls.db.erasures"
    assert log.stat().st_mode & 0o777 == 0o600
    assert found.entries[0].pseudonym in log.read_text()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere" / "erasures.log"


async def copied(ledger: Ledger) -> dict[str, list[dict[str, Any]]]:
    """A copy of a ledger's tables."""
    return {
        name: [row._asdict() for row in await database_of(ledger).fetch(sa.select(table))]
        for name, table in metadata.tables.items()
    }


async def bring_back(url: str, tables: dict[str, list[dict[str, Any]]]) -> None:
    """Put an older copy in the place of a ledger."""
    ledger = Ledger(url)
    await database_of(ledger).open()
    async with database_of(ledger).writing() as connection:
        for name, rows in tables.items():
            await connection.execute(sa.delete(metadata.tables[name]))
            if rows:
                await connection.execute(sa.insert(metadata.tables[name]), rows)
    await database_of(ledger).close()


@pytest.mark.parametrize("before_any", [True, False], ids=["before_any_erasure", "after_another_one"])
async def test_what_was_erased_stays_erased_when_an_older_copy_comes_back(
    ledger_url: str, log: Path, before_any: bool
) -> None:
    async with Ledger(ledger_url, erasure_log=log) as ledger:
        await call(ledger, ask(3))
        if not before_any:
            await ledger.erasures.erase(phone(3), None, NOT_CALLED)
        await fill(ledger)
        copy = await copied(ledger)
        await ledger.erasures.erase(None, "customer-1", NOT_CALLED)
        if before_any:
            await ledger.erasures.erase(phone(3), None, MAY_BE_CALLED)
        after = await ledger.calls_of(phones=[phone(1), phone(3)], persons=[])
    await bring_back(ledger_url, copy)
    async with Ledger(ledger_url, erasure_log=log) as ledger:
        held = await everything(ledger)
        for named in ("customer-1", phone(1), "7946-0001", "invoice-9001", "customer-3", phone(3)):
            assert named not in held
        again = await ledger.calls_of(phones=[phone(1), phone(3)], persons=[])
        assert [call.call_key for call in again] == [call.call_key for call in after]
        assert bucket(await ledger.claim(ask(1, campaign="new"))) is Bucket.OPTED_OUT
        assert isinstance(await ledger.claim(ask(2, campaign="new")), Claim)
        (reported,) = await ledger.erasures.of(phone(1), None)
        assert reported.erased_by == "Huda"
        held = await everything(ledger)
    async with Ledger(ledger_url, erasure_log=log) as ledger:
        assert await everything(ledger) == held  # once


async def test_an_older_file_that_comes_back_is_erased_by_the_log_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    async with Ledger(f"sqlite:///{path}") as ledger:
        await fill(ledger)
    shutil.copy(path, tmp_path / "copy.db")
    async with Ledger(f"sqlite:///{path}") as ledger:
        await ledger.erasures.erase(None, "customer-1", NOT_CALLED)
    shutil.copy(tmp_path / "copy.db", path)
    (tmp_path / "copy.db").unlink()
    async with Ledger(f"sqlite:///{path}"):
        pass
    assert phone(1)[3:].encode() not in bytes_of(tmp_path)
    assert b"customer-1" not in bytes_of(tmp_path)


async def test_a_log_that_was_lost_or_cut_off_is_made_whole_by_the_next_opening(tmp_path: Path) -> None:
    url, log = f"sqlite:///{tmp_path / 'calls.db'}", tmp_path / "calls.db.erasures"
    async with Ledger(url) as ledger:
        await call(ledger, ask(1))
        await ledger.erasures.erase(phone(1), None, NOT_CALLED)
    whole = lines_of(log)
    log.write_text(log.read_text()[:-30])  # a crash in the midst of a line
    async with Ledger(url):
        assert lines_of(log)[-2:] == whole[-2:] or len(lines_of(log)) >= len(whole) - 1
    log.unlink()
    async with Ledger(url):
        assert lines_of(log) == whole


def lines_of(log: Path) -> list[Any]:
    lines = []
    for line in log.read_text().splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return [line for line in lines if line]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('{"key": "00"}\nnonsense\n', "has a line 2 that is not understood"),
        ('{"key": "00"}\n{"key": "01"}\n', "has a second key in line 2"),
        ('{"key": "00"}\n', "belongs to another ledger"),
    ],
    ids=["nonsense", "two_keys", "another_ledgers"],
)
async def test_a_log_that_cannot_be_followed_stops_the_ledger_with_a_sentence(
    ledger_url: str, log: Path, written: str, said: str
) -> None:
    async with Ledger(ledger_url, erasure_log=log) as ledger:
        await call(ledger, ask(1))
        await ledger.erasures.erase(phone(1), None, NOT_CALLED)
    log.write_text(written)
    with pytest.raises(LedgerError, match=said):
        await Ledger(ledger_url, erasure_log=log).open()


async def test_a_page_of_rows_costs_no_more_queries_for_each_row(ledger: Ledger) -> None:
    asked = 0

    def count(*_: object) -> None:
        nonlocal asked
        asked += 1

    async def screen(size: int) -> int:
        nonlocal asked
        asked = 0
        phones = [f"+4420{70000000 + number}" for number in range(size)]
        await ledger.history("c", phones, [f"r{number}" for number in range(size)], rules=POLICY.resolved())
        return asked

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        assert await screen(5000) == await screen(1) == 3
        await call(ledger, ask(1))
        await ledger.erasures.erase(phone(1), None, NOT_CALLED)
        assert await screen(5000) == await screen(1) == 3  # the key is known by then
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", count)
