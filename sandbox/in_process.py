"""The whole sandbox as one object, for tests that turn its clock by hand."""

from typing import Any

from sandbox.calls import HAMSA_NUMBERS, CallOrder, Phase, describe_call
from sandbox.clock import SystemClock
from sandbox.http import Postman, SendWebhook, create_app
from sandbox.scenario import Scenario, check_script
from sandbox.world import Clock, World

DEFAULT_KEY = "sandbox-key"


class Sandbox:
    """A local Hamsa: `app` is its API, everything else is the truth behind it.

    Args:
        seed: Decides everything that looks like chance.
        clock: The time it lives in: a `ManualClock`, or the machine's clock if not given.
        scenario: How it behaves; may be changed at any time, field by field or as a whole.
        api_key: The only key that is let in; without one, any secret key is, and `api_key` is one of them.
        send_webhook: How webhooks are posted: `async (url, headers, body) -> status`. By default over HTTP, to this
            machine only.

    Example:
        >>> sandbox = Sandbox(seed=7)
        >>> sandbox.fail_next("lost_answer")
        >>> sandbox.rings("+12125550123")
        0
    """

    def __init__(
        self,
        *,
        seed: int = 7,
        clock: Clock | None = None,
        scenario: Scenario | None = None,
        api_key: str | None = None,
        send_webhook: SendWebhook | None = None,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.world = World(self.clock, seed, scenario)
        self.api_key = api_key or DEFAULT_KEY
        self._postman = Postman(self.world, send_webhook)
        self.app = create_app(self.world, api_key=api_key, postman=self._postman)

    @property
    def scenario(self) -> Scenario:
        """How it behaves now."""
        return self.world.scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        self.world.scenario = scenario

    def change(self, **fields: Any) -> None:
        """Change some fields of the scenario; of a dictionary, the given entries.

        Raises:
            ScenarioProblem: A field is unknown or its value will not do.
        """
        self.world.scenario = self.world.scenario.changed(fields)

    def fail_next(self, *kinds: str, number: str | None = None, reads: bool = False) -> None:
        """Let the next requests meet these faults, one each, whatever the scenario's chances say.

        Args:
            kinds: Kinds of `sandbox.scenario.faults.FAULTS`, or `ok` for a request that goes well.
            number: Only requests to call this number (E.164).
            reads: GET requests instead of requests to place a call.

        Raises:
            ValueError: There is no such fault.
        """
        check_script(list(kinds))
        scenario = self.world.scenario
        if reads:
            scenario.script_reads.extend(kinds)
        elif number is not None:
            scenario.script_by_number.setdefault(number, []).extend(kinds)
        else:
            scenario.script.extend(kinds)

    def plant_call(
        self,
        number: str,
        *,
        voice_agent_id: str | None = None,
        params: dict[str, Any] | None = None,
        created: float | None = None,
        ends_as: Phase | None = None,
    ) -> dict[str, Any]:
        """Put in a call that somebody made from the dashboard, and return the truth about it.

        Args:
            number: Whom it calls, E.164.
            voice_agent_id: The agent that talks.
            params: The agent's params.
            created: When it was made, in epoch seconds; now if not given.
            ends_as: How it ends, if that matters.
        """
        order = CallOrder(number, HAMSA_NUMBERS[0], voice_agent_id, params or {})
        return describe_call(self.world.plant(order, created=created, ends_as=ends_as), self.world.now())

    def calls(self, number: str | None = None) -> list[dict[str, Any]]:
        """The truth about every call, or about those to `number`, in the order in which they came."""
        return self.world.calls(number)

    def rings(self, number: str | None = None) -> int:
        """How often this phone (or any, without a number) rang because of a request."""
        return self.world.rings(number)

    def stats(self) -> dict[str, Any]:
        """Counts over everything since the start or the last reset."""
        return self.world.stats()

    def reset(self, seed: int | None = None) -> None:
        """Forget every call and every count."""
        self.world.reset(seed)

    async def aclose(self) -> None:
        """Drop the webhooks that were not yet sent."""
        await self._postman.aclose()
