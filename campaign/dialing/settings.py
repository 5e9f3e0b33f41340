"""How a run dials: how many calls at once, how many in all, when it must stop, how it watches and settles."""

from dataclasses import dataclass, field

from campaign.following.settling import SettleSettings
from campaign.following.watcher import WatchSettings
from campaign.rules.policy import Policy


@dataclass(frozen=True, slots=True)
class DialSettings:
    """How a run dials. Times in seconds, money in Hamsa's currency.

    Attributes:
        lines: The most calls in progress at once.
        calls_per_minute: The most calls started in a minute.
        max_calls: The most calls of this run.
        max_cost: The most that the campaign may cost, over all its runs.
        canary: How many calls are made alone before the rest.
        canary_max_failed_share: The share of them that may fail.
        stop_after_same_refusals: Refusals in a row with one message key that end the run.
        longest_refusal: How long 429s may go on without one accepted call.
        watch: How the watcher looks.
        settle: When settling believes what.
    """

    lines: int = 5
    calls_per_minute: float | None = None
    max_calls: int | None = None
    max_cost: float | None = None
    canary: int | None = None
    canary_max_failed_share: float = 0.5
    stop_after_same_refusals: int = 30
    longest_refusal: float = 900.0
    watch: WatchSettings = field(default_factory=WatchSettings)
    settle: SettleSettings = field(default_factory=SettleSettings)


def settings_of(policy: Policy) -> DialSettings:
    """How a policy says to dial."""
    return DialSettings(
        lines=policy.lines,
        calls_per_minute=policy.calls_per_minute,
        max_calls=policy.max_calls,
        max_cost=policy.max_cost,
        canary=policy.canary or None,
        canary_max_failed_share=policy.canary_max_failed_share,
        stop_after_same_refusals=policy.stop_after_same_refusals,
        watch=WatchSettings(
            shortest_interval=policy.poll_min_seconds,
            longest_interval=policy.poll_max_seconds,
            give_up_after=float(policy.give_up_after_seconds),
        ),
        settle=SettleSettings(grace_seconds=float(policy.settle_grace_seconds)),
    )
