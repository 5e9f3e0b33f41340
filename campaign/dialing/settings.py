"""How a run dials: how many calls at once, how many in all, when it must stop, how it watches and settles."""

from dataclasses import dataclass, field

from campaign.following import SettleSettings, WatchSettings
from campaign.ledger import Limits
from campaign.rules import Policy


@dataclass(frozen=True, slots=True)
class DialSettings:
    """How a run dials. Times in seconds, money in Hamsa's currency.

    Attributes:
        lines: The most calls in progress at once.
        calls_per_minute: The most calls started in a minute.
        max_calls: The most calls of this run, and of runs of the same campaign at the same time.
        max_cost: The most that the campaign may cost, over all its runs.
        assumed_call_cost: What a call is taken to cost if Hamsa tells no prices.
        canary: How many calls are made alone before the rest.
        canary_max_failed_share: The share of them that need not end well.
        stop_after_same_refusals: Refusals in a row with one message key that end the run.
        stop_after_uncertain: Uncertain answers in a row that end the run.
        longest_refusal: How long 429s may go on without one accepted call.
        watch: How the watcher looks.
        settle: When settling believes what.
    """

    lines: int = 5
    calls_per_minute: float | None = None
    max_calls: int | None = None
    max_cost: float | None = None
    assumed_call_cost: float | None = None
    canary: int | None = None
    canary_max_failed_share: float = 0.5
    stop_after_same_refusals: int = 30
    stop_after_uncertain: int = 5
    longest_refusal: float = 900.0
    watch: WatchSettings = field(default_factory=WatchSettings)
    settle: SettleSettings = field(default_factory=SettleSettings)

    @property
    def limits(self) -> Limits:
        """What bounds the calls of a run besides its rules."""
        return Limits(
            max_calls=self.max_calls,
            max_cost=self.max_cost,
            assumed_call_cost=self.assumed_call_cost,
            give_up_after=self.watch.give_up_after,
        )


def settings_of(policy: Policy) -> DialSettings:
    """How a policy says to dial."""
    return DialSettings(
        lines=policy.lines,
        calls_per_minute=policy.calls_per_minute,
        max_calls=policy.max_calls,
        max_cost=policy.max_cost,
        assumed_call_cost=policy.assumed_call_cost,
        canary=policy.canary or None,
        canary_max_failed_share=policy.canary_max_failed_share,
        stop_after_same_refusals=policy.stop_after_same_refusals,
        stop_after_uncertain=policy.stop_after_uncertain,
        watch=WatchSettings(
            shortest_interval=policy.poll_min_seconds,
            longest_interval=policy.poll_max_seconds,
            give_up_after=float(policy.give_up_after_seconds),
        ),
        settle=SettleSettings(grace_seconds=float(policy.settle_grace_seconds)),
    )
