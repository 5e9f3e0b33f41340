"""Limits that are counted in the ledger: what a campaign may cost, and how many calls a run may make.

Promises that they are judged where the claim is written, in its own transaction, so that runs of one campaign at the
same time keep one budget; and that a call whose cost is not known is taken to cost what the most expensive one did.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Self

from campaign.rules import DialSettings
from campaign.wording import counted

FEW = 3
"""How many calls may be in flight while the first ones are to show a price, once one call has ended."""

PRICES_ENOUGH = 5
"""From so many priced calls on, what the most expensive one cost is taken for the price of the next."""

CONVERSATIONS_WITHOUT_PRICE = 3
"""After so many conversations for which Hamsa gave no price, none is expected for the next one either."""

ROUNDING = 1e-9
"""Sums of prices are no closer than this."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the calls of a run besides its rules. Money in Hamsa's currency; None where nothing does.

    Attributes:
        max_calls: The most calls of the run, together with those of runs of the same campaign at the same time.
        max_cost: The most that the campaign may cost, over all its runs.
        assumed_call_cost: What a call is taken to cost if Hamsa gives no prices; without it such a run stops.
        approved_calls: The most calls of this run alone.
        approved_words: Ends the sentence "This run made … calls, ".
        approved_cost: The most that this run alone may cost.
        give_up_after: Seconds after which a call that has not ended is no longer waited for.
    """

    max_calls: int | None = None
    max_cost: float | None = None
    assumed_call_cost: float | None = None
    approved_calls: int | None = None
    approved_words: str = "as many as were approved"
    approved_cost: float | None = None
    began_at: datetime | None = None
    give_up_after: float = DialSettings().give_up_after_seconds

    @classmethod
    def of(cls, settings: DialSettings) -> Self:
        """What bounds the calls of a run besides its rules."""
        return cls(
            max_calls=settings.max_calls,
            max_cost=settings.max_cost,
            assumed_call_cost=settings.assumed_call_cost,
            give_up_after=settings.give_up_after_seconds,
        )

    @property
    def any(self) -> bool:
        """Whether there is anything to be counted."""
        limits = (self.max_calls, self.max_cost, self.approved_calls, self.approved_cost)
        return any(limit is not None for limit in limits)


@dataclass(frozen=True, slots=True)
class LimitReached:
    """One more call would pass a limit.

    Attributes:
        kind: Which one.
        message: For people: what is reached and what to do.
        may_wait: Whether calls in flight may leave room once they have ended: ask again then.
    """

    kind: Literal["max_calls", "max_cost"]
    message: str
    may_wait: bool

    @property
    def clause(self) -> str:
        """The message for the end of a sentence."""
        return self.message[0].lower() + self.message[1:].rstrip(".")


@dataclass(frozen=True, slots=True)
class Price:
    """What the last calls of an agent by a route cost.

    Attributes:
        calls: Of how many a price is known.
        most: What the most expensive of them cost; None if no price is known.
        ended: How many ended, priced or not.
    """

    calls: int = 0
    most: float | None = None
    ended: int = 0


@dataclass(slots=True)
class RunSums:
    """What the calls of one run in a campaign come to so far: those that rang, or may have.

    Attributes:
        in_flight: How many of them have no end yet that may still come.
        unpriced_conversations: How many conversations ended for which Hamsa gave no price.
        reserved: What is reserved for those whose cost is not known.
        reserved_in_flight: The part of it for calls in flight.
    """

    calls: int = 0
    in_flight: int = 0
    ended: int = 0
    unpriced_conversations: int = 0
    cost: float = 0.0
    reserved: float = 0.0
    reserved_in_flight: float = 0.0
    claimed_at: datetime | None = None

    def add(self, other: "RunSums") -> None:
        """Count another run's as well; whose claim was the last is not kept."""
        self.calls += other.calls
        self.in_flight += other.in_flight
        self.ended += other.ended
        self.unpriced_conversations += other.unpriced_conversations
        self.cost += other.cost
        self.reserved += other.reserved
        self.reserved_in_flight += other.reserved_in_flight


@dataclass(slots=True)
class Spending:
    """What a campaign has come to, as its next call is judged by.

    Attributes:
        price: What calls like the next one cost.
        alike: All that are kept for the campaign, this one included: claims of other agents count as well.
    """

    price: Price = field(default_factory=Price)
    runs: dict[str | None, RunSums] = field(default_factory=dict)
    alike: "list[Spending]" = field(default_factory=list, repr=False)

    def share(self, limits: Limits) -> float | None:
        """What is reserved for the next call; None if nobody can say."""
        return self.price.most if self.price.most is not None else limits.assumed_call_cost

    def claimed(self, run_id: str, limits: Limits, now: datetime) -> None:
        """One more call was claimed: it counts for the claims after it."""
        share = self.share(limits) or 0.0
        for each in self.alike or [self]:
            sums = each.runs.setdefault(run_id, RunSums())
            sums.calls += 1
            sums.in_flight += 1
            sums.reserved += share
            sums.reserved_in_flight += share
            sums.claimed_at = now

    def judge(self, run_id: str, limits: Limits) -> LimitReached | None:
        """The limit that one more call of this run would pass, if there is one."""
        mine = self.runs.get(run_id, RunSums())
        total = RunSums()
        for sums in self.runs.values():
            total.add(sums)
        return (
            self._calls(run_id, mine, limits) or self._campaign_cost(total, limits) or self._approved_cost(mine, limits)
        )

    # -- how many ------------------------------------------------------------------------------------------------

    def _calls(self, run_id: str, mine: RunSums, limits: Limits) -> LimitReached | None:
        if limits.approved_calls is not None and mine.calls >= limits.approved_calls:
            made = counted(limits.approved_calls, "call")
            said = f"This run made {made}, {limits.approved_words}. Run again to call the rest."
            return LimitReached("max_calls", said, may_wait=mine.in_flight > 0)
        if limits.max_calls is None:
            return None
        beside = RunSums()
        for other, sums in self.runs.items():
            if other != run_id and _at_the_same_time(sums, limits):
                beside.add(sums)
        if mine.calls + beside.calls < limits.max_calls:
            return None
        who = "This run" if not beside.calls else "This run and those of the campaign at the same time"
        said = (
            f"{who} made the {counted(limits.max_calls, 'call')} it may make (max_calls). Run again to call the rest."
        )
        # A call in flight may yet turn out not to have been placed.
        return LimitReached("max_calls", said, may_wait=mine.in_flight + beside.in_flight > 0)

    # -- money ---------------------------------------------------------------------------------------------------

    def _campaign_cost(self, total: RunSums, limits: Limits) -> LimitReached | None:
        if limits.max_cost is None:
            return None
        if self.price.calls < PRICES_ENOUGH and (reached := self._first_calls(total, limits)) is not None:
            return reached
        # Where nobody can say what a call costs, one is let through as long as anything is left.
        share = self.share(limits)
        need = 2 * ROUNDING if share is None else share
        if total.cost + total.reserved + need <= limits.max_cost + ROUNDING:
            return None
        said = (
            f"The campaign has cost {total.cost:.2f}{_reserved(total)}, and another call could bring it over "
            f"{limits.max_cost:.2f} (max_cost). "
        )
        if self.price.most is None and share is not None:
            said += f"Hamsa gives no prices, so each call is taken to cost {share:.2f} (assumed_call_cost). "
        said += "Raise max_cost to go on."
        return LimitReached("max_cost", said, may_wait=_leaves_room(total, need, limits.max_cost))

    def _first_calls(self, total: RunSums, limits: Limits) -> LimitReached | None:
        """While few prices are known, few calls are made at once: one, then a few, then some more."""
        # Calls of another agent show nothing of this one's price.
        first_is_over = total.ended > 0 and self.price.ended > 0
        at_once = FEW * self.price.calls if self.price.calls else (FEW if first_is_over else 1)
        if self.price.most is None and total.unpriced_conversations >= CONVERSATIONS_WITHOUT_PRICE:
            if limits.assumed_call_cost is not None:
                return None
            said = (
                f"Hamsa gave no price for the first {total.unpriced_conversations} conversations, so nobody can say "
                f"when the campaign has cost {limits.max_cost:.2f} (max_cost). Set assumed_call_cost in the calling "
                "policy to what a call costs at most, or leave max_cost empty and set max_calls."
            )
            return LimitReached("max_cost", said, may_wait=False)
        if total.in_flight < at_once:
            return None
        said = "No more calls are made at once until the first ones show what a call costs (max_cost)."
        return LimitReached("max_cost", said, may_wait=True)

    def _approved_cost(self, mine: RunSums, limits: Limits) -> LimitReached | None:
        share = self.share(limits)
        most = limits.approved_cost
        if most is None or share is None or mine.cost + mine.reserved + share <= most + ROUNDING:
            return None
        said = (
            f"This run has cost {mine.cost:.2f}{_reserved(mine)}, and another call could bring it over the {most:.2f} "
            "that were approved. Run again to be asked for the rest."
        )
        return LimitReached("max_cost", said, may_wait=_leaves_room(mine, share, most))


def _at_the_same_time(sums: RunSums, limits: Limits) -> bool:
    """Whether another run of the campaign calls while this one does, and is not one that came before it."""
    if sums.in_flight or limits.began_at is None:
        return sums.in_flight > 0
    return sums.claimed_at is not None and sums.claimed_at >= limits.began_at


def _reserved(sums: RunSums) -> str:
    return f" with {sums.reserved:.2f} reserved for calls whose cost is not known yet" if sums.reserved else ""


def _leaves_room(sums: RunSums, share: float, most: float) -> bool:
    """Whether there is room for one more call if those in flight should turn out to cost nothing."""
    return sums.in_flight > 0 and sums.cost + sums.reserved - sums.reserved_in_flight + share <= most + ROUNDING
