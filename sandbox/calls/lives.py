"""How a call lives: its phases, where each may lead, and for how long it stays there. All of it is data.

A call's whole life is drawn when it is placed and kept as moments; what it is doing at any time is then a look at the
clock. So a hundred thousand calls need no timers, and the same seed gives the same life however often one looks.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

from hamsa.models import JobStatus


class Phase(StrEnum):
    """What a call is doing. Hamsa shows less: `SHOWN_AS`."""

    QUEUED = "queued"
    RINGING = "ringing"
    TALKING = "talking"
    COMPLETED = "completed"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    FORWARDED = "forwarded"
    TERMINATED = "terminated"


SHOWN_AS: Mapping[Phase, JobStatus] = {
    Phase.QUEUED: JobStatus.PENDING,
    Phase.RINGING: JobStatus.IN_PROGRESS,
    Phase.TALKING: JobStatus.IN_PROGRESS,
    Phase.COMPLETED: JobStatus.COMPLETED,
    Phase.NO_ANSWER: JobStatus.NO_ANSWER,
    Phase.FAILED: JobStatus.FAILED,
    Phase.FORWARDED: JobStatus.FORWARDED,
    Phase.TERMINATED: JobStatus.TERMINATED,
}


class Dwell(BaseModel):
    """How long a call stays in a phase: log-normal, or always the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean_seconds: float = Field(ge=0, le=86_400, description="Mean length in seconds of the call's own time.")
    sigma: float = Field(default=0.0, ge=0, le=3, description="Spread of the logarithm; 0 is always the mean.")

    def draw(self, chance: random.Random) -> float:
        """Return one length in seconds."""
        # Drawn even where it is not needed: whether a call is long must not change how it ends.
        deviate = chance.gauss(0.0, 1.0)
        if self.sigma == 0 or self.mean_seconds == 0:
            return self.mean_seconds
        return math.exp(math.log(self.mean_seconds) - self.sigma**2 / 2 + self.sigma * deviate)


class Step(BaseModel):
    """One way out of a phase."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: Phase = Field(description="The phase that follows.")
    weight: float = Field(
        ge=0, le=1_000_000, description="How often this way is taken, beside the others; 0 is for magic numbers alone."
    )
    dwell: str = Field(description="Name of the dwell: how long the call stays before it takes this way.")


Transitions = Mapping[Phase, tuple[Step, ...]]

TRANSITIONS: dict[Phase, tuple[Step, ...]] = {
    Phase.QUEUED: (Step(to=Phase.RINGING, weight=1, dwell="queue"),),
    Phase.RINGING: (
        Step(to=Phase.TALKING, weight=70, dwell="pick_up"),
        Step(to=Phase.NO_ANSWER, weight=22, dwell="ring_out"),
        Step(to=Phase.FAILED, weight=8, dwell="fail"),
    ),
    Phase.TALKING: (
        Step(to=Phase.COMPLETED, weight=92, dwell="talk"),
        Step(to=Phase.FORWARDED, weight=4, dwell="talk"),
        Step(to=Phase.TERMINATED, weight=4, dwell="talk"),
    ),
}
"""Phase to its ways out. A phase without any is final."""

DWELLS: dict[str, Dwell] = {
    "queue": Dwell(mean_seconds=1),
    "pick_up": Dwell(mean_seconds=8, sigma=0.4),
    "ring_out": Dwell(mean_seconds=30),
    "fail": Dwell(mean_seconds=4, sigma=0.4),
    "talk": Dwell(mean_seconds=90, sigma=0.6),
}


@dataclass(frozen=True, slots=True)
class Life:
    """The phases of one call and the moments (epoch seconds) at which they begin; the last one lasts forever."""

    phases: tuple[Phase, ...]
    begins: tuple[float, ...]
    talk_seconds: float
    """Length of the conversation in the call's own time, however fast the call lived."""
    ends_at: float
    """When the final phase begins; infinity for a call that never ends."""

    def phase_at(self, moment: float) -> Phase:
        """What the call does at `moment` (epoch seconds)."""
        for index in range(len(self.begins) - 1, 0, -1):
            if self.begins[index] <= moment:
                return self.phases[index]
        return self.phases[0]

    def status_at(self, moment: float) -> JobStatus:
        """What Hamsa would say of the call at `moment` (epoch seconds)."""
        return SHOWN_AS[self.phase_at(moment)]

    def began(self, phase: Phase) -> float | None:
        """When `phase` begins (epoch seconds), if the call ever comes to it."""
        return self.begins[self.phases.index(phase)] if phase in self.phases else None

    def held_in(self, phase: Phase) -> "Life":
        """This life, but once in `phase` it stays there forever. The same if it never comes to it."""
        if phase not in self.phases:
            return self
        kept = self.phases.index(phase) + 1
        return Life(self.phases[:kept], self.begins[:kept], 0.0, math.inf)

    def hung_up(self, moment: float) -> "Life":
        """This life, but it is terminated at `moment` (epoch seconds), which is before its end."""
        begun = max(1, sum(begin <= moment for begin in self.begins))
        answered = self.began(Phase.TALKING)
        return Life(
            (*self.phases[:begun], Phase.TERMINATED),
            (*self.begins[:begun], moment),
            max(0.0, moment - answered) if answered is not None else 0.0,
            moment,
        )


@dataclass(frozen=True, slots=True)
class Course:
    """By which rules a life is drawn."""

    transitions: Transitions
    dwells: Mapping[str, Dwell]
    speed: float = 1.0
    """How many times as fast the call lives."""


def draw_life(chance: random.Random, course: Course, born: float, *, through: Phase | None = None) -> Life:
    """Draw the life of a call that is made at `born` (epoch seconds).

    Args:
        chance: Its own source of randomness; the same state gives the same life.
        course: The rules.
        born: When the call is made, in epoch seconds.
        through: A phase that this life must come to, if the transitions lead there at all.
    """
    phase, moment, talk_seconds = Phase.QUEUED, born, 0.0
    phases, begins = [phase], [born]
    while ways := course.transitions.get(phase):
        if through is not None and through not in phases:
            ways = tuple(way for way in ways if through in _reachable(course.transitions, way.to)) or ways
        way = _pick(chance, ways)
        seconds = course.dwells[way.dwell].draw(chance)
        if phase is Phase.TALKING:
            talk_seconds += seconds
        moment += seconds / course.speed
        phase = way.to
        phases.append(phase)
        begins.append(moment)
    return Life(tuple(phases), tuple(begins), talk_seconds, moment)


def check_transitions(transitions: Transitions, dwells: Mapping[str, Dwell]) -> None:
    """Raise ValueError, naming what is wrong, unless every life drawn from these tables comes to a final phase."""
    for phase, ways in transitions.items():
        for way in ways:
            if way.dwell not in dwells:
                raise ValueError(f"transitions of {phase.value}: there is no dwell named {way.dwell!r}.")
    _check_no_way_back(Phase.QUEUED, transitions, ())


def _check_no_way_back(phase: Phase, transitions: Transitions, trail: Sequence[Phase]) -> None:
    if phase in trail:
        raise ValueError(f"transitions lead from {phase.value} back to {phase.value}; a life must come to an end.")
    ways = transitions.get(phase, ())
    if not ways and SHOWN_AS[phase] in {JobStatus.PENDING, JobStatus.IN_PROGRESS}:
        raise ValueError(f"transitions end in {phase.value}, which is not final; give it a way out.")
    for way in ways:
        _check_no_way_back(way.to, transitions, (*trail, phase))


def _pick(chance: random.Random, ways: Sequence[Step]) -> Step:
    mark = chance.random() * sum(way.weight for way in ways)
    for way in ways:
        mark -= way.weight
        if mark < 0:
            return way
    return ways[-1]


def _reachable(transitions: Transitions, phase: Phase) -> frozenset[Phase]:
    return _reachable_from(tuple((source, ways) for source, ways in transitions.items()), phase)


@lru_cache(maxsize=256)
def _reachable_from(transitions: tuple[tuple[Phase, tuple[Step, ...]], ...], phase: Phase) -> frozenset[Phase]:
    found: set[Phase] = set()
    ways = dict(transitions)
    waiting = [phase]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting.extend(way.to for way in ways.get(here, ()))
    return frozenset(found)
