"""Any interleaving of runs, faults, kills, settling, webhooks and time: nobody is called twice, nobody is lost."""

import logging
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sandbox import Scenario
from sandbox.scenario.faults import FAULTS
from tests.promises.world import LONGEST_LAG_SECONDS, World, person

CAMPAIGNS = ("spring", "autumn")
PEOPLE = 3
MOST_PROCESSES = 3
DOUBTFUL = ("lost_answer", "error_after", "error_before", "lost_request", "late_ring", "unreadable", "no_id")

campaigns = st.sampled_from(CAMPAIGNS)
numbers = st.sets(st.integers(0, PEOPLE - 1), min_size=1).map(sorted)
seeds = st.integers(0, 2**16)
deaths = st.integers(1, 70)
moments = st.one_of(st.floats(0, 3), st.integers(3, 300), st.integers(300, 5000))
# Those that leave the phone's ringing in doubt are worth more of the time than those that do not.
# A job that does not exist has no end: see test_lying_worlds.py.
KINDS = sorted(kind for kind in FAULTS if not kind.startswith("nobodys_id"))
faults = st.lists(st.one_of(st.sampled_from(KINDS), st.sampled_from(DOUBTFUL)), max_size=3)
read_faults = st.sampled_from(["html_502", "rate_limited", "lost_answer", "slow", "error_before", "unreadable"])


class Promises(RuleBasedStateMachine):
    """Everything that may happen to campaigns."""

    def __init__(self) -> None:
        super().__init__()
        logging.disable()  # what is told a thousand times tells nothing
        self.folder = Path(tempfile.mkdtemp(prefix="hamsa-promises-"))
        self.world: World

    @initialize(
        echo=st.booleans(),
        skew=st.integers(-250, 250),
        order=st.sampled_from(["newest", "oldest", "random"]),
        writing=st.sampled_from(["e164", "mixed", "national"]),
    )
    def begin(self, echo: bool, skew: int, order: Any, writing: Any) -> None:
        scenario = Scenario(
            magic_numbers=False,
            echo_params=echo,
            clock_skew_seconds=skew,
            list_order=order,
            list_numbers=writing,
            slow_seconds=40,
        )
        self.world = World(self.folder, scenario)

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                try:
                    self.world.finish()
                finally:
                    self.world.close()
        finally:
            shutil.rmtree(self.folder)
            logging.disable(logging.NOTSET)

    # -- what may happen -----------------------------------------------------------------------------------------

    @rule(campaign=campaigns, who=numbers, faults=faults, seed=seeds, seconds=moments)
    def a_run_begins(self, campaign: str, who: list[int], faults: list[str], seed: int, seconds: float) -> None:
        self._let_a_run_begin(campaign, who, faults, seed=seed)
        self.world.run_for(seconds)

    @rule(
        campaign=campaigns,
        who=numbers,
        faults=faults,
        seed=seeds,
        dies_at=deaths,
        before=st.booleans(),
        seconds=moments,
    )
    def a_run_begins_and_is_killed(
        self, campaign: str, who: list[int], faults: list[str], seed: int, dies_at: int, before: bool, seconds: float
    ) -> None:
        self._let_a_run_begin(campaign, who, faults, seed=seed, dies_at=dies_at, dies_before=before)
        self.world.run_for(seconds)

    @rule(campaign=campaigns, other=campaigns, who=numbers, faults=faults, seed=seeds, seconds=moments)
    def two_runs_begin_at_once(
        self, campaign: str, other: str, who: list[int], faults: list[str], seed: int, seconds: float
    ) -> None:
        self._let_a_run_begin(campaign, who, faults, seed=seed)
        self._let_a_run_begin(other, who, (), seed=seed + 1)
        self.world.run_for(seconds)

    def _let_a_run_begin(self, campaign: str, who: list[int], faults: Sequence[str], **how: Any) -> None:
        if len(self.world.processes()) < MOST_PROCESSES:
            self.world.sandbox.fail_next(*faults)
            self.world.begin_run(campaign, who, **how)

    @rule(seconds=st.one_of(moments, st.integers(1, 8).map(lambda days: 86_400 * days)))
    def time_passes(self, seconds: float) -> None:
        self.world.run_for(seconds)

    @precondition(lambda self: self.world.processes())
    @rule(data=st.data(), gently=st.booleans())
    def a_process_is_ended(self, data: st.DataObject, gently: bool) -> None:
        process = data.draw(st.sampled_from(self.world.processes()))
        if gently:
            self.world.cancel(process)
        else:
            self.world.kill(process)

    @rule(kinds=st.lists(read_faults, max_size=4), lag=st.sampled_from([0, 5, 60, LONGEST_LAG_SECONDS]))
    def reading_becomes_hard(self, kinds: list[str], lag: int) -> None:
        self.world.sandbox.fail_next(*kinds, reads=True)
        self.world.sandbox.change(list_lag_seconds=lag)

    @rule(who=st.integers(0, PEOPLE - 1), ago=st.integers(0, 200), params=st.booleans())
    def somebody_calls_from_the_dashboard(self, who: int, ago: int, params: bool) -> None:
        world = self.world
        world.sandbox.plant_call(
            person(who, "").phone,
            voice_agent_id="agent-plain",
            params={"name": "by hand"} if params else None,
            created=world.clock.now().timestamp() - ago,
        )

    @precondition(lambda self: self._uncertain())
    @rule(data=st.data(), seed=seeds)
    def somebody_calls_whom_a_lost_answer_may_have_called(self, data: st.DataObject, seed: int) -> None:
        attempt = data.draw(st.sampled_from(self._uncertain()))
        claimed = datetime.fromisoformat(attempt["claimed_at"]).replace(tzinfo=UTC).timestamp()
        self.world.sandbox.plant_call(attempt["phone"], voice_agent_id="agent-plain", created=claimed)
        if len(self.world.processes()) < MOST_PROCESSES:
            self.world.begin_settling(seed=seed)
            self.world.run_for(60)

    def _uncertain(self) -> list[dict[str, Any]]:
        rows = [row for row in self.world.rows() if row["state"] == "uncertain"]
        return sorted(rows, key=lambda row: str(row["call_key"]))

    @precondition(lambda self: len(self.world.processes()) < MOST_PROCESSES)
    @rule(seed=seeds, dies_at=st.one_of(st.none(), st.integers(1, 40)), before=st.booleans(), seconds=moments)
    def settling_begins(self, seed: int, dies_at: int | None, before: bool, seconds: float) -> None:
        self.world.begin_settling(seed=seed, dies_at=dies_at, dies_before=before)
        self.world.run_for(seconds)

    @precondition(lambda self: self.world.calls())
    @rule(data=st.data(), seed=seeds)
    def a_webhook_comes(self, data: st.DataObject, seed: int) -> None:
        self.world.report_by_webhook(data.draw(st.sampled_from(self.world.calls())), seed=seed)

    # -- what must be true ---------------------------------------------------------------------------------------

    @invariant()
    def the_promises_hold(self) -> None:
        if hasattr(self, "world"):
            self.world.check()


HISTORIES = 8 if settings().max_examples <= 100 else settings().max_examples // 8

Promises.TestCase.settings = settings(max_examples=HISTORIES, stateful_step_count=25)
test_nobody_is_called_twice_and_nobody_is_lost = Promises.TestCase
