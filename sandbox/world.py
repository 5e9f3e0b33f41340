"""The world behind the API: whose phone rang when, how each call went, and what the scenario does to requests.

It promises that a number's fate depends on the seed, the number and how often it was called, never on the order in
which different numbers are called, and that every ring is remembered: `calls()` is the truth.
"""

import hashlib
import heapq
import logging
import math
import random
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from sandbox.calls import (
    MAGIC_AGENTS,
    Attitude,
    Call,
    CallList,
    CallOrder,
    Course,
    Life,
    Magic,
    MagicAgent,
    Outcome,
    Page,
    Phase,
    Wanted,
    describe_call,
    describe_totals,
    draw_attitude,
    draw_life,
    draw_outcome,
    magic_number,
    mask,
)
from sandbox.scenario import FAULTS, NO_FAULT, AgentSpec, Fault, Scenario, another, draw_fault

logger = logging.getLogger(__name__)

PROJECT_ID = "5a9d0b0e-0000-4000-8000-000000000001"
_NO_MAGIC = Magic("nothing special")
_UNKNOWN_AGENT = MagicAgent(404, "VoiceAgentNotFound", "There is no voice agent with this id")


class Clock(Protocol):
    """What the world needs of time."""

    def now(self) -> datetime:
        """The present moment, aware."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of this clock's time."""
        ...


class World:
    """Every call, and the rules by which they go.

    Args:
        clock: The time that everything here is measured on.
        seed: Decides everything that looks like chance.
        scenario: How this Hamsa behaves; may be replaced at any time.
    """

    def __init__(self, clock: Clock, seed: int = 7, scenario: Scenario | None = None) -> None:
        self.clock = clock
        self.seed = seed
        self.scenario = scenario or Scenario()
        self.on_placed: Callable[[Call], None] | None = None
        """Called with every call placed through the API."""
        self.on_terminated: Callable[[Call], None] | None = None
        """Called with every call that is hung up through the API."""
        self._clear()

    def _clear(self) -> None:
        self.requests: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._list = CallList()
        self._calls: dict[str, Call] = {}
        self._rings: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._reads = 0
        self._cached: tuple[float, dict[str, Any]] | None = None
        self._lines: list[float] = []
        self._by_number: defaultdict[str, list[Call]] = defaultdict(list)

    def reset(self, seed: int | None = None) -> None:
        """Forget every call and every count. The scenario stays, with what is left of its scripts."""
        if seed is not None:
            self.seed = seed
        self._clear()

    def now(self) -> float:
        """The present moment in epoch seconds."""
        return self.clock.now().timestamp()

    # ------------------------------------------------------------------------------------------------ placing calls

    def refusal_for_agent(self, agent_id: str | None) -> MagicAgent | None:
        """How a request that names this agent is refused, if it is."""
        if agent_id is None:
            return None
        if agent_id in MAGIC_AGENTS:
            return MAGIC_AGENTS[agent_id]
        known = self.scenario.any_agent or agent_id in self.scenario.agents
        return None if known else _UNKNOWN_AGENT

    def agent(self, agent_id: str) -> AgentSpec:
        """The agent of that id; one that says little if the scenario does not know it."""
        return self.scenario.agents.get(agent_id) or AgentSpec(name=agent_id)

    def lines_are_full(self) -> bool:
        """Whether as many calls are in progress as the scenario has lines."""
        return self.scenario.lines is not None and self.lines_in_use() >= self.scenario.lines

    def lines_in_use(self) -> int:
        """How many calls that came through the API are in progress."""
        now = self.now()
        while self._lines and self._lines[0] <= now:
            heapq.heappop(self._lines)
        return len(self._lines)

    def meet_fault(self, number: str) -> tuple[str, Fault] | None:
        """Decide what this request to call `number` meets: the number's script, the script, magic, or chance."""
        self._asked[number] += 1
        ordinal = self._asked[number]
        scenario = self.scenario
        kind: str | None
        if scripted := scenario.script_by_number.get(number):
            kind = scripted.pop(0)
        elif scenario.script:
            kind = scenario.script.pop(0)
        else:
            magic = self._magic(number)
            kind = magic.fault if ordinal == 1 or not magic.first_only else None
            if kind is None and (chances := scenario.placing_chances()):
                kind = draw_fault(self._chance("request", number, ordinal), chances)
        return self._counted(kind)

    def meet_reading_fault(self, path: str) -> tuple[str, Fault] | None:
        """Decide what this GET request meets."""
        self._reads += 1
        kind: str | None = None
        if self.scenario.script_reads:
            kind = self.scenario.script_reads.pop(0)
        elif chances := self.scenario.reading_chances():
            kind = draw_fault(self._chance("read", path, self._reads), chances)
        return self._counted(kind)

    def place(self, order: CallOrder, fault: str | None = None) -> Call:
        """Let the phone ring.

        Args:
            order: What was asked for.
            fault: Kind of fault that the request met, kept for the truth.
        """
        late = fault is not None and FAULTS[fault].rings_late
        call = self._make(order, self.now() + (self.scenario.slow_seconds if late else 0.0))
        call.fault = fault
        heapq.heappush(self._lines, call.life.ends_at)
        logger.debug("Call %s rings %s", call.id, mask(call.number))
        if self.on_placed is not None:
            self.on_placed(call)
        return call

    def terminate(self, call: Call) -> bool:
        """Hang up a call that is pending or in progress. Returns whether there was anything to hang up."""
        now = self.now()
        if call.life.ends_at <= now:
            return False
        if call.life.ends_at in self._lines:
            self._lines.remove(call.life.ends_at)
            heapq.heapify(self._lines)
        call.life, call.outcome = call.life.hung_up(now), None
        call.cost = self._cost(call.life)
        if self.on_terminated is not None:
            self.on_terminated(call)
        return True

    def _cost(self, life: Life) -> float:
        return round(math.ceil(life.talk_seconds / 60) * self.scenario.cost_per_minute, 6)

    def plant(self, order: CallOrder, *, created: float | None = None, ends_as: Phase | None = None) -> Call:
        """Put in a call that somebody made from the dashboard; it rings a phone, but nobody asked for it here.

        Args:
            order: Whom it calls and with which agent.
            created: When it was made, in epoch seconds; now if not given.
            ends_as: How it ends, if that matters.
        """
        moment = self.now() if created is None else created
        return self._make(replace(order, source="dashboard"), moment, through=ends_as)

    def _make(self, order: CallOrder, created: float, through: Phase | None = None) -> Call:
        source = "dashboard" if order.source == "dashboard" else "api"
        self._rings[f"{source}:{order.number}"] += 1
        ordinal = self._rings[f"{source}:{order.number}"]
        chance = self._chance(source, order.number, ordinal)
        scenario, magic = self.scenario, self._magic(order.number)
        course = Course(scenario.transitions, scenario.dwells, scenario.speed)
        endless = chance.random() < scenario.never_ends
        life = draw_life(chance, course, created, through=through or magic.through)
        if through is None and (magic.stays or (endless and magic.through is None)):
            life = life.held_in(Phase.TALKING)
        outcome = self._outcome(chance, life, magic.attitude)
        agent_name = order.agent_details.get("agentName") if order.agent_details else None
        call = Call(
            id=self._new_id(source, order.number, ordinal, created),
            ordinal=len(self._calls) + 1,
            ring=ordinal,
            number=order.number,
            machine_number=order.machine_number,
            agent_id=order.agent_id,
            agent_name=str(agent_name or (self.agent(order.agent_id).name if order.agent_id else "Inline agent")),
            params=order.params,
            created=created,
            life=life,
            outcome=outcome,
            cost=self._cost(life),
            source=order.source,
            agent_details=order.agent_details,
            webhook_url=order.webhook_url,
            webhook_auth=order.webhook_auth,
        )
        self._calls[call.id] = call
        self._by_number[call.number].append(call)
        self._list.add(call)
        return call

    def _outcome(self, chance: random.Random, life: Life, attitude: Attitude | None) -> Outcome | None:
        drawn = draw_attitude(chance, promises=self.scenario.promises, opt_outs=self.scenario.opt_outs)
        answered = life.began(Phase.TALKING)
        if answered is None or math.isinf(life.ends_at):
            return None
        return draw_outcome(chance, attitude or drawn, datetime.fromtimestamp(answered, UTC))

    def _magic(self, number: str) -> Magic:
        return (self.scenario.magic_numbers and magic_number(number)) or _NO_MAGIC

    def _counted(self, kind: str | None) -> tuple[str, Fault] | None:
        if kind is None or kind == NO_FAULT:
            return None
        self.faults[kind] += 1
        return kind, FAULTS[kind]

    def _chance(self, *about: object) -> random.Random:
        """A source of randomness that depends on the seed and on what it is about, and on nothing else."""
        return random.Random(":".join(str(part) for part in (self.seed, *about)))

    def _new_id(self, *about: object) -> str:
        # Of the moment too: a sandbox that starts again with the same seed must not give out the same ids again.
        digest = hashlib.blake2b(repr((self.seed, *about)).encode(), digest_size=16).digest()
        return str(uuid.UUID(bytes=digest, version=4))

    # ------------------------------------------------------------------------------------------------ looking at them

    def call(self, call_id: str) -> Call | None:
        """The call of that job id, once it was made."""
        call = self._calls.get(call_id)
        return call if call is not None and call.created <= self.now() else None

    def list_moment(self) -> float:
        """The moment (epoch seconds) that the call list shows: now, less the list's lag."""
        return self.now() - self.scenario.list_lag_seconds

    def page(self, wanted: Wanted) -> Page:
        """One page of the call list, as late as the scenario has it, and with its lies."""
        lies, at = self.scenario.lies, self.list_moment()
        wanted = lies.honored(wanted)
        if not lies.cuts_the_list:
            return self._list.page(wanted, at)
        everything = self._list.page(replace(wanted, page=1, per_page=len(self._calls) + 1), at)
        return lies.cut(everything, wanted, at, self._chance("list", sum(self.requests.values())))

    def cached_list(self) -> dict[str, Any] | None:
        """The list's last answer, while the scenario has it given again."""
        if self._cached is None or self.now() >= self._cached[0] + self.scenario.lies.list_cached_seconds:
            return None
        return self._cached[1]

    def cache_list(self, data: dict[str, Any]) -> None:
        """Keep an answer of the list."""
        self._cached = (self.now(), data)

    def shown_instead(self, call: Call) -> Call:
        """Whose record is shown where this call's is asked for."""
        return self.scenario.lies.shown_instead(call, list(self._calls.values()))

    def another(self, call: Call) -> Call:
        """Another call, for whoever is to get the wrong one."""
        return another(call, list(self._calls.values()))

    # ------------------------------------------------------------------------------------------------ the truth

    def rings(self, number: str | None = None) -> int:
        """How often the phone with this number rang because of a request; without a number, how often any did.

        A ring that is still to come (`late_ring`) counts: nothing can stop it.
        """
        if number is not None:
            return self._rings[f"api:{number}"]
        return sum(count for name, count in self._rings.items() if name.startswith("api:"))

    def calls(self, number: str | None = None) -> list[dict[str, Any]]:
        """The truth about every call, in the order in which they came: see `sandbox.calls.truth.describe_call`."""
        now = self.now()
        calls = self._calls.values() if number is None else self._by_number.get(number, [])
        return [describe_call(call, now) for call in calls]

    def stats(self) -> dict[str, Any]:
        """Counts over everything since the start or the last reset; see docs/reference/sandbox.md."""
        return {
            **describe_totals(list(self._calls.values()), self.now()),
            "requests": dict(self.requests),
            "answers": dict(self.answers),
            "faults": dict(self.faults),
        }
