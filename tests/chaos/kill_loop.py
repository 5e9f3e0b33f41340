"""Kills a campaign's processes at random moments, starts new ones, and goes on until the campaign is over."""

import asyncio
import multiprocessing
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import SIGKILL
from typing import Any

from campaign.reporting.report import CampaignReport
from sandbox.scenario.drawn_lies import draw_lies, lies_in_words
from sandbox.scenario.scenario import PRESETS
from tests.chaos.killed_run import Orders, run
from tests.chaos.truth import Verdict, judge
from tests.servers.process_reaper import ProcessReaper
from tests.servers.sandbox import RunningSandbox, start_sandbox

SPEED = 60.0
"""How many times as fast calls live."""

PATIENCE_SECONDS = 8.0
"""A run that makes no progress for so long is killed all the same: the next moment is as good as any."""

LIES_LAST_KILLS = 10
"""After so many kills a lying Hamsa lies otherwise; by the last of its lies the campaign comes to its end."""

GIVE_UP_SECONDS = 900.0
"""How long a run follows one call, on the fast clock: longer than any call, unless Hamsa shows no ends."""

GIVE_UP_LYING_SECONDS = 300.0

STILL_SECONDS = 40.0
"""When for so long no run finds out anything more, what is uncertain stays so: grace and looks take 25 seconds here."""


def hostile(*, echo: bool) -> dict[str, Any]:
    """The hostile scenario: a fifth of the requests fail, half of those in doubt, the list lags, reads fail.

    Args:
        echo: Whether job records give our key back, which makes settling certain.
    """
    changes = {
        "magic_numbers": False,
        "opt_outs": 0.0,
        "never_ends": 0.01,
        "retry_after_seconds": 0,
        "echo_params": echo,
    }
    return {**PRESETS["hostile"], **changes}


@dataclass(frozen=True, slots=True)
class Plan:
    """One campaign and what it has to bear.

    Attributes:
        name: For the report.
        ledger_url: Its ledger.
        customers: How many there are to call.
        kills: How many processes are to be killed.
        at_once: How many runs of the campaign go on at the same time.
        echo: Whether Hamsa's records give our key back.
        seed: Decides what the sandbox does and when processes are killed.
        deadline_seconds: When it must be over, in real time.
        lies: Whether Hamsa's list and records lie, each time otherwise (`sandbox.scenario.drawn_lies`).
    """

    name: str
    ledger_url: str
    customers: int
    kills: int
    at_once: int
    echo: bool
    seed: int
    deadline_seconds: float
    lies: bool = False


@dataclass(slots=True)
class Outcome:
    """What happened."""

    plan: Plan
    kills: int = 0
    kills_before_first_call: int = 0
    runs: int = 0
    reports: list[CampaignReport] = field(default_factory=list)
    seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    lies: list[str] = field(default_factory=list)
    verdict: Verdict | None = None
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _KilledRun:
    process: BaseProcess
    orders: Orders
    began: float
    rings_at_start: int
    dies_after_rings: int
    dies_after_seconds: float


class KillLoop:
    """One plan, carried out in a folder of its own."""

    def __init__(self, plan: Plan, folder: Path, reaper: ProcessReaper) -> None:
        self._plan = plan
        self._folder = folder
        self._reaper = reaper
        self._chance = random.Random(plan.seed)
        self._outcome = Outcome(plan)
        self._epoch = datetime.now(UTC)
        # Started from a process that has everything imported: a run begins within a moment, as a kill ends it in one.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.chaos.killed_run"])

    def carry_out(self) -> Outcome:
        """KillLoop the campaign to its end."""
        plan, outcome = self._plan, self._outcome
        began = time.monotonic()
        sandbox = start_sandbox(
            self._reaper,
            self._folder,
            seed=plan.seed,
            speed=SPEED,
            scenario=hostile(echo=plan.echo),
            arguments=("--clock-epoch", self._epoch.isoformat()),
        )
        try:
            self._kill_again_and_again(sandbox, began)
            self._finish_in_peace(sandbox, began)
            outcome.faults = dict(sandbox.stats()["faults"])
            outcome.verdict = self._judge(sandbox, outcome.reports)
            outcome.problems += outcome.verdict.problems
        finally:
            sandbox.program.stop()
        outcome.seconds = time.monotonic() - began
        return outcome

    def _judge(self, sandbox: RunningSandbox, reports: Sequence[CampaignReport]) -> Verdict:
        plan = self._plan
        return asyncio.run(judge(sandbox, plan.ledger_url, plan.customers, reports, lying=plan.lies))

    def _lie(self, sandbox: RunningSandbox) -> None:
        """Lie otherwise than before, if it is time for that."""
        if self._plan.lies and len(self._outcome.lies) * LIES_LAST_KILLS <= self._outcome.kills:
            lies = draw_lies(self._chance)
            sandbox.change_scenario(lies=lies)
            self._outcome.lies.append(lies_in_words(lies))

    def _kill_again_and_again(self, sandbox: RunningSandbox, began: float) -> None:
        plan, outcome = self._plan, self._outcome
        runs: list[_KilledRun] = []
        try:
            while outcome.kills < plan.kills:
                self._check_time(began)
                self._lie(sandbox)
                rings = int(sandbox.stats()["rings"])
                while len(runs) < plan.at_once:
                    runs.append(self._start(sandbox, rings))
                for killed_run in list(runs):
                    if not killed_run.process.is_alive():
                        self._gather(killed_run)
                        runs.remove(killed_run)
                    elif self._is_due(killed_run, rings):
                        self._kill(killed_run, rings)
                        runs.remove(killed_run)
                time.sleep(0.02)
        finally:
            for killed_run in runs:
                killed_run.process.kill()
                killed_run.process.join()

    def _finish_in_peace(self, sandbox: RunningSandbox, began: float) -> None:
        """Run the campaign again, as a schedule would, until nobody is left to be called or found out about."""
        plan = self._plan
        known: object = None
        changed = time.monotonic()
        while True:
            self._check_time(began)
            runs = [self._start(sandbox, 0) for _ in range(plan.at_once)]
            for killed_run in runs:
                killed_run.process.join(max(1.0, plan.deadline_seconds - (time.monotonic() - began)))
                if killed_run.process.is_alive():
                    killed_run.process.kill()
                    killed_run.process.join()
                    raise TimeoutError(f"{plan.name}: a run does not end; see {killed_run.orders.log}")
                self._gather(killed_run)
            verdict = self._judge(sandbox, [])
            if not verdict.uncertain and not verdict.problems:
                return
            if (now_known := (verdict.rings, verdict.without_end, sorted(verdict.uncertain))) != known:
                known, changed = now_known, time.monotonic()
            elif time.monotonic() - changed > STILL_SECONDS:
                return
            time.sleep(2.0)

    def _start(self, sandbox: RunningSandbox, rings: int) -> _KilledRun:
        plan, outcome = self._plan, self._outcome
        outcome.runs += 1
        orders = Orders(
            base_url=sandbox.base_url,
            api_key=sandbox.api_key,
            speed=SPEED,
            epoch=self._epoch,
            ledger_url=plan.ledger_url,
            customers=plan.customers,
            lines=12 // plan.at_once,
            give_up_seconds=GIVE_UP_LYING_SECONDS if plan.lies else GIVE_UP_SECONDS,
            log=self._folder / f"run-{outcome.runs}.log",
            report=self._folder / f"run-{outcome.runs}.json",
        )
        process = self._context.Process(target=run, args=(orders,), name=f"run-{outcome.runs}", daemon=True)
        process.start()
        # A share of the kills falls on the first moments of a run, when it settles and claims; the others are spread
        # over the campaign's calls, so that it does not end before it was killed often enough.
        early = self._chance.random() < 0.2
        share = plan.customers / (plan.kills + 1)
        return _KilledRun(
            process=process,
            orders=orders,
            began=time.monotonic(),
            rings_at_start=rings,
            dies_after_rings=0 if early else max(1, round(self._chance.uniform(0.2, 1.8) * share)),
            dies_after_seconds=self._chance.uniform(0.0, 2.0 if early else 0.3),
        )

    def _is_due(self, killed_run: _KilledRun, rings: int) -> bool:
        age = time.monotonic() - killed_run.began
        rang = rings - killed_run.rings_at_start >= killed_run.dies_after_rings
        return (rang and age >= killed_run.dies_after_seconds) or age > PATIENCE_SECONDS

    def _kill(self, killed_run: _KilledRun, rings: int) -> None:
        killed_run.process.kill()
        killed_run.process.join()
        if killed_run.process.exitcode == -SIGKILL:
            self._outcome.kills += 1
            self._outcome.kills_before_first_call += rings == killed_run.rings_at_start
        else:  # it came to its end in the same moment
            self._gather(killed_run)

    def _gather(self, killed_run: _KilledRun) -> None:
        """Take the report of a run that came to its end."""
        killed_run.process.join()
        if killed_run.orders.report.exists():
            text = killed_run.orders.report.read_text(encoding="utf-8")
            self._outcome.reports.append(CampaignReport.model_validate_json(text))
            return
        end = killed_run.orders.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        self._outcome.problems.append(
            f"{killed_run.process.name} ended with {killed_run.process.exitcode} and no report: {end}"
        )

    def _check_time(self, began: float) -> None:
        if time.monotonic() - began > self._plan.deadline_seconds:
            raise TimeoutError(f"{self._plan.name} is not over after {self._plan.deadline_seconds:.0f} s")
