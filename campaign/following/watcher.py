"""The watcher: learns how calls end from Hamsa's list, one page for up to 200 calls, not one request for each.

Promises that an end is noticed within a few seconds, that no call is asked for alone unless the list does not show it,
and that a call which never ends is given up after a while, so that its line is free again. When the key is no longer
accepted, all calls are given up at once: nobody can say how they end until somebody fixes it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from campaign.attempts import ENDED, Attempt
from campaign.clock import Clock
from campaign.errors import CampaignError
from campaign.following.reading import Look, Reading
from campaign.following.settling import Settler
from campaign.following.watched import EndSeen, Followed, Pace, Suspect
from campaign.ledger import Ledger
from campaign.rules import DialSettings
from campaign.unexpected import log_unexpected
from hamsa import HamsaClient, HamsaError, Refused, Unauthorized
from hamsa.models import JobStatus, is_final

logger = logging.getLogger(__name__)


# Assumed: a 2xx with a job id means that the call was placed. A job that nobody knows is no call that one could follow.
TIMES_UNKNOWN = 3
"""So often Hamsa must not know a job by its id, nor its list show it, until the job is taken for nobody's."""

LOOK_AGAIN_SECONDS = 60.0
"""How long at least a call is followed that has been given up before."""

LONG_CALL_SECONDS = 240.0
"""A call of at least this length, and of `LONG_CALL_TIMES` the usual one, is a long one."""

LONG_CALL_TIMES = 4.0

FEW_CALLS = 10
"""So many long calls, or a twentieth of all if that is more, are asked for alone: for them the list is not read."""

LEARN_CLOCK_SECONDS = {True: 600.0, False: 10.0}
"""How long a difference between Hamsa's clock and ours is trusted, while the list shows every call and while not."""

_NEVER = datetime.min.replace(tzinfo=UTC)

ASK_AGAIN_SECONDS = 15.0
"""How long at least the list is trusted to show a call again, and nobody asks for that call alone."""


LISTED_FOR_SECONDS = 3600.0
"""A call in progress longer than this, and longer than `give_up_after_seconds`, is asked for alone: one that hangs for
weeks would make every look read the list of weeks."""


class Watcher:
    """Follows the calls in progress of one run.

    Args:
        ledger: Where webhooks and other runs note the ends they see.
        settler: Finds the calls of uncertain attempts in what the watcher reads anyway.
        agent_id: Whose calls the list is asked for; all agents' if None (an inline agent has no id).
        account: Whose calls they are: the answers to its requests tell how far Hamsa's clock is from ours.
        by_webhook: Whether ends are reported to the ledger by webhooks, so that the list is only a second line.
        on_unauthorized: Called once when Hamsa does not accept the key. From then on every call is given up at once.
    """

    def __init__(
        self,
        client: HamsaClient,
        ledger: Ledger,
        settler: Settler,
        *,
        clock: Clock,
        agent_id: str | None,
        settings: DialSettings,
        account: str | None = None,
        by_webhook: bool = False,
        on_unauthorized: Callable[[Unauthorized], None] = lambda _error: None,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._on_unauthorized = on_unauthorized
        self._locked_out = False
        self._settler = settler
        self._clock = clock
        self._agent_id = agent_id
        self._account = account
        self._by_webhook = by_webhook
        self._settings = settings
        self._pace = Pace()
        self._followed: dict[str, Followed] = {}
        self._suspects: dict[str, Suspect] = {}
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listed_at: datetime | None = None
        self._behind = timedelta()
        self._behind_learned_at = _NEVER
        self._all_listed = True

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="watcher")

    async def stop(self) -> None:
        """Look no more. Calls still followed stay as the ledger has them."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def end_of(self, call_key: str, job_id: str, since: datetime) -> EndSeen | None:
        """Wait until a call is over.

        Returns:
            What is known of its end, or None if it was given up.
        """
        if self._locked_out:
            return None
        now = self._clock.now()
        followed = Followed(
            call_key=call_key,
            job_id=job_id,
            since=since,
            until=self._given_up_at(since, now),
            ask_alone_at=now if self._is_old(since) else now + self._unseen_after,
            future=asyncio.get_running_loop().create_future(),
        )
        self._followed[job_id] = followed
        self._work.set()
        try:
            return await followed.future
        finally:
            self._followed.pop(job_id, None)

    async def adopted(self, attempt: Attempt) -> bool:
        """Wait until an uncertain attempt's call turns up in the list.

        Returns:
            True when it did (the attempt is `placed` now), False when it did not within `hold_uncertain_seconds`.
        """
        if self._locked_out:
            return False
        suspect = Suspect(
            attempt=attempt,
            until=self._clock.now() + timedelta(seconds=self._settings.hold_uncertain_seconds),
            future=asyncio.get_running_loop().create_future(),
        )
        self._suspects[attempt.call_key] = suspect
        self._work.set()
        try:
            return await suspect.future
        finally:
            self._suspects.pop(attempt.call_key, None)

    # -- looking -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._locked_out:
            if not self._followed and not self._suspects:
                self._work.clear()
                await self._work.wait()
            await self._clock.sleep(
                self._settings.ledger_interval_seconds if self._by_webhook else self._list_interval()
            )
            await self._look()

    async def _look(self) -> None:
        """Look everywhere. Where that fails, the other places still tell, and a call is still given up in its time."""
        pause = 0.0
        for place in (self._look_into_ledger, self._look_into_list, self._ask_alone):
            try:
                await place()
            except Unauthorized as error:
                # Looking again is of no use, and a line that waits for an end would wait in vain.
                self._lock_out(error)
                return
            except HamsaError as error:
                # A GET is simply repeated; but not sooner than Hamsa asked for.
                logger.info("Hamsa cannot be asked how calls went, looking again soon: %s", error)
                pause = max(pause, min(error.retry_after or 0.0, self._settings.poll_max_seconds * 6))
            except CampaignError as error:
                logger.warning("The ledger cannot be asked how calls went, looking again soon: %s", error)
                pause = max(pause, self._settings.poll_max_seconds)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is logged below
                # Whatever it is, the calls in progress must not be forgotten.
                log_unexpected(logger, "A look at the calls in progress failed; looking again", error)
                pause = max(pause, self._settings.poll_max_seconds)
        await self._give_up()
        if pause:
            await self._clock.sleep(pause)

    def _list_interval(self) -> float:
        """Seconds between two looks into the list."""
        if self._by_webhook and not self._suspects:
            return self._settings.webhook_interval_seconds
        return self._pace.interval(len(self._followed) + len(self._suspects), self._settings)

    def _given_up_at(self, since: datetime, now: datetime) -> datetime:
        """When a call is given up: one that an earlier run followed for long is looked at again, but not as long."""
        long = timedelta(seconds=self._settings.give_up_after_seconds)
        again = max(2 * self._unseen_after, timedelta(seconds=LOOK_AGAIN_SECONDS))
        return max(since + long, now + min(long, again))

    @property
    def _unseen_after(self) -> timedelta:
        """How long the list may fail to show a call: where it is read but rarely, by so much longer."""
        rarely = self._settings.webhook_interval_seconds if self._by_webhook else 0.0
        return timedelta(seconds=self._settings.unseen_after_seconds + rarely)

    @property
    def _ask_again_after(self) -> timedelta:
        """How long after a sign of life a call is not asked for alone: also where an unseen one is at once."""
        return max(self._unseen_after, timedelta(seconds=ASK_AGAIN_SECONDS))

    def _is_old(self, since: datetime) -> bool:
        """Whether a call or a claim lies too far back for the list to be read from there on at every look."""
        longest = max(LISTED_FOR_SECONDS, self._settings.give_up_after_seconds)
        return self._clock.now() - since > timedelta(seconds=longest)

    def _is_long(self, since: datetime, now: datetime) -> bool:
        """Whether a call takes much longer than most."""
        return now - since > timedelta(seconds=max(LONG_CALL_SECONDS, LONG_CALL_TIMES * self._pace.typical_seconds))

    async def _look_into_ledger(self) -> None:
        if not self._by_webhook or not self._followed:
            return
        keys = {followed.call_key: followed for followed in self._followed.values()}
        for key, state in (await self._ledger.states(list(keys))).items():
            if state in ENDED:
                self._over(keys[key], EndSeen(in_ledger=True))

    async def _look_into_list(self) -> None:
        now = self._clock.now()
        waited = self._listed_at is None or now - self._listed_at >= timedelta(seconds=self._list_interval())
        if (self._by_webhook and not waited) or not (self._followed or self._suspects):
            return
        self._listed_at = now
        watched = self._to_be_listed(now)
        suspects: list[Attempt] = []
        old: list[Attempt] = []
        for suspect in self._suspects.values():
            # What may prove absent is looked for beside its controls, and what is old would make the list long.
            alone = self._is_old(suspect.attempt.since) or self._settler.may_be_absent(suspect.attempt)
            (old if alone else suspects).append(suspect.attempt)
        if watched or suspects:
            await self._look_into_recent(watched, suspects)
        if old:
            await self._settle(old, None)

    def _to_be_listed(self, now: datetime) -> dict[str, Followed]:
        """The calls for which the list is read: not for a few long ones, for which every look would read far back."""
        recent = {job_id: call for job_id, call in self._followed.items() if not self._is_old(call.since)}
        long = [job_id for job_id, call in recent.items() if self._is_long(call.since, now)]
        if len(long) <= max(FEW_CALLS, len(recent) // 20):
            for job_id in long:
                del recent[job_id]
        return recent

    async def _look_into_recent(self, watched: Mapping[str, Followed], suspects: Sequence[Attempt]) -> None:
        since = [followed.since for followed in watched.values()] + [attempt.since for attempt in suspects]
        start = min(since) - await self._hamsas_clock_behind() - timedelta(seconds=self._settings.clock_skew_seconds)
        unseen = set(watched)
        reading = Reading()
        while not reading.over and (unseen or suspects):
            page = await self._client.list_calls_page(
                voice_agent_id=self._agent_id, start_time=start, end_time=None, page=reading.pages + 1
            )
            reading.take(page)
            for row in page.calls:
                followed = watched.get(row.id)
                if followed is None:
                    continue
                unseen.discard(row.id)
                followed.status, followed.unknown = row.status or "", 0
                followed.ask_alone_at = self._clock.now() + self._ask_again_after
                if is_final(row.status):
                    self._over(followed, EndSeen(row=row))
        self._all_listed = not unseen
        if suspects:
            await self._settle(suspects, reading.look())

    async def _hamsas_clock_behind(self) -> timedelta:
        """How far Hamsa's clock is behind ours, as its answers show: learned again while the list misses calls."""
        now = self._clock.now()
        stale = now - self._behind_learned_at >= timedelta(seconds=LEARN_CLOCK_SECONDS[self._all_listed])
        if stale:
            self._behind = max(-await self._settler.offset(self._account), timedelta())
            self._behind_learned_at = now
        return self._behind

    async def _settle(self, attempts: Sequence[Attempt], look: Look | None) -> None:
        settled = await self._settler.settle(attempts, look=look)
        for key in settled.adopted:
            suspect = self._suspects.get(key)
            if suspect is not None and not suspect.future.done():
                suspect.future.set_result(True)
        refreshed = {row.call_key: row for row in await self._ledger.attempts(call_keys=list(self._suspects))}
        for key, suspect in self._suspects.items():
            suspect.attempt = refreshed.get(key, suspect.attempt)

    async def _ask_alone(self) -> None:
        now = self._clock.now()
        for followed in list(self._followed.values()):
            if followed.future.done() or now < followed.ask_alone_at:
                continue
            # A call that the list does not show is asked for by its id.
            followed.asked_alone += 1
            followed.ask_alone_at = now + self._ask_again_after * 2 ** min(followed.asked_alone, 4)
            if self._is_long(followed.since, now):
                # A few seconds more count less for it: its end is noticed within a sixteenth of its length.
                soonest = self._settings.webhook_interval_seconds if self._by_webhook else ASK_AGAIN_SECONDS
                followed.ask_alone_at = now + max(timedelta(seconds=soonest), (now - followed.since) / 16)
            try:
                record = await self._client.get_job(followed.job_id)
            except Unauthorized:
                raise
            except Refused as error:
                logger.info("Hamsa does not say how job %s went, asking again later: %s", followed.job_id, error)
                followed.unknown += followed.status is None
                continue
            followed.status, followed.unknown = record.status or "", 0
            if is_final(record.status):
                self._over(followed, EndSeen(record=record))

    def _lock_out(self, error: Unauthorized) -> None:
        """The key is not valid: let go of every call, and say so."""
        self._locked_out = True
        for followed in self._followed.values():
            if not followed.future.done():
                followed.future.set_result(None)
        for suspect in self._suspects.values():
            if not suspect.future.done():
                suspect.future.set_result(False)
        self._on_unauthorized(error)

    async def _give_up(self) -> None:
        now = self._clock.now()
        for followed in list(self._followed.values()):
            unknown = followed.unknown >= TIMES_UNKNOWN
            if (now >= followed.until or unknown) and not followed.future.done():
                await self._note(followed, unknown=unknown)
                if not followed.future.done():
                    followed.future.set_result(None)
        for suspect in list(self._suspects.values()):
            if now >= suspect.until and not suspect.future.done():
                suspect.future.set_result(False)

    async def _note(self, followed: Followed, *, unknown: bool) -> None:
        """Keep why a call was given up, for the report of this run and of the next one."""
        if unknown:
            reason = (
                f"Hamsa's answer named job {followed.job_id}, but neither its list nor its job records know it, so "
                "nobody can say how the call went"
            )
            logger.warning("%s (attempt %s)", reason, followed.call_key)
        elif followed.status and followed.status not in frozenset(JobStatus):
            reason = f"Hamsa shows a status unknown to us: {followed.status[:40]}"
        else:
            return
        try:
            await self._ledger.note_missing(followed.call_key, reason=reason, status=followed.status or None)
        except CampaignError as error:
            logger.warning("It could not be noted why job %s was given up: %s", followed.job_id, error)

    def _over(self, followed: Followed, over: EndSeen) -> None:
        if not followed.future.done():
            self._pace.ended((self._clock.now() - followed.since).total_seconds())
            followed.future.set_result(over)
