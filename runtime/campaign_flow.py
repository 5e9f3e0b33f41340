"""The one decorator of a campaign flow: a run of it says in its state how it went, and fails with a sentence."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, cast, runtime_checkable

from prefect import Flow, flow
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed

from blocks import CallingPolicy
from blocks.campaign_day import campaign_time_zone, default_campaign
from runtime.run_states import explain_wrong_parameters, fail_cleanly

P = ParamSpec("P")
R = TypeVar("R")


@runtime_checkable
class HasHeadline(Protocol):
    """A report that says in one sentence how it went."""

    @property
    def headline(self) -> str:
        """The sentence."""
        ...


def campaign_flow(
    *, name: str, description: str | None = None, flow_run_name: str | Callable[[], str] | None = None
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Flow[P, Coroutine[Any, Any, R]]]:
    """Make a flow of an async function, in place of `@flow`.

    A run whose result is a sentence, or has a `headline`, shows it as its state's message. What its user can fix ends
    it as Failed with one sentence and no traceback, a block that is not there with the name of that block, a no to an
    approval as Cancelled.

    Args:
        description: What the UI says of it; the function's docstring if None.
        flow_run_name: What its runs are called, as Prefect takes it; `campaign_run_name()` if None.
    """

    def decorate(function: Callable[P, Coroutine[Any, Any, R]]) -> Flow[P, Coroutine[Any, Any, R]]:
        made = flow(name=name, description=description, flow_run_name=flow_run_name or campaign_run_name())(
            fail_cleanly(_with_headline(function))
        )
        return cast("Flow[P, Coroutine[Any, Any, R]]", explain_wrong_parameters(made))

    return decorate


def campaign_run_name(more: str = "") -> Callable[[], str]:
    """Makes what a run of a campaign is called: the campaign, and whether it is a dry run.

    Args:
        more: What follows the campaign's name, with parameters in braces: `from {customers}`.
    """

    def name() -> str:
        given = flow_run.parameters or {}
        campaign = given.get("campaign") or flow_run.flow_name
        if "campaign" in given and not given["campaign"]:
            policy = given.get("policy")
            campaign = default_campaign(zone=campaign_time_zone(policy if isinstance(policy, CallingPolicy) else None))
        words = [campaign, more.format_map(given) if more else ""]
        return " ".join([*filter(None, words), *(["(dry run)"] if given.get("dry_run") else [])])

    return name


def _with_headline(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    @wraps(function)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        result = await function(*args, **kwargs)
        # Prefect takes a state that a flow returns for the run's own, and the state's data for the result.
        return cast("R", state_of(result)) if isinstance(result, str | HasHeadline) else result

    return wrapped


def state_of(report: str | HasHeadline) -> Any:
    """The state that tells the truth about a run, with its headline as the message and the report as the result.

    Completed, or Cancelled if somebody cancelled the run and it followed its calls to their ends all the same.
    """
    message = report if isinstance(report, str) else report.headline
    if getattr(report, "stop_kind", None) == "cancelled":
        return Cancelled(message=message, data=report)
    return Completed(message=message, data=report)
