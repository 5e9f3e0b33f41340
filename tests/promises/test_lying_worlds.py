"""A Hamsa that tells of its calls whatever it likes: in every such world at most one ring per attempt, and a word.

Each world is drawn at random: any lies of the sandbox combined, faults, crashes, webhooks, agents, campaigns, persons
and time. `make test` lives through a dozen of them, `make test-all` through some forty, and
`HYPOTHESIS_PROFILE=thorough` through a thousand, and some hundred more on PostgreSQL (see docs/reference/sandbox.md).
"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sandbox.scenario.drawn_lies import LIES
from sandbox.scenario.lies import Lies
from tests.promises.lying_world import CUSTOMERS, FIELD, Plan, one_world, one_world_on_postgres
from tests.promises.postgres import empty
from tests.promises.world import AGENT

THOROUGH = settings().max_examples > 1000
ORDINARY = 10 if settings().max_examples <= 100 else 40
WORLDS = 1000 if THOROUGH else ORDINARY
WORLDS_ON_POSTGRES = 200 if THOROUGH else 3

RINGS_UNKNOWN = (
    "lost_answer",
    "error_after",
    "html_504",
    "late_ring",
    "unreadable",
    "no_id",
    "says_no_after",
    "nobodys_id_after",
    "redirect_after",
)
NO_RING = ("error_before", "lost_request", "says_no", "nobodys_id", "redirect", "html_502", "rate_limited", "refused")

DENIED_AND_MADE = ("rate_limited_after", "refused_after")
"""A no that is none is noticed by the list alone, so these are met where it shows every call at once and in time."""

THREE_HOURS = 10_800

KNOWS_NOTHING = ("another_field",)
"""Opt-out fields of a campaign that does not know in which one the agent notes it."""


def or_not(strategy: st.SearchStrategy[Any], default: Any) -> st.SearchStrategy[Any]:
    """Mostly as documented: a world in which everything lies proves nothing to anybody."""
    return st.one_of(st.just(default), st.just(default), st.just(default), strategy)


def drawn_lies() -> st.SearchStrategy[dict[str, Any]]:
    """Lies of any kind and in any combination."""
    honest = Lies().model_dump(mode="json")
    return st.fixed_dictionaries({name: or_not(st.sampled_from(LIES[name]), honest[name]) for name in LIES})


def drawn_scenarios() -> st.SearchStrategy[dict[str, Any]]:
    """How else Hamsa behaves."""
    return st.fixed_dictionaries(
        {
            "list_lag_seconds": or_not(st.sampled_from([5, 120, 900, 5000]), 0),
            "clock_skew_seconds": or_not(st.integers(-THREE_HOURS, THREE_HOURS), 0),
            "list_order": st.sampled_from(["newest", "oldest", "random"]),
            "list_numbers": or_not(st.sampled_from(["mixed", "national", "without_plus"]), "e164"),
            "never_ends": or_not(st.sampled_from([0.3, 1.0]), 0.0),
            "opt_outs": or_not(st.just(0.5), 0.0),
            "webhook_doubled": or_not(st.just(0.5), 0.0),
            "webhook_disorder": or_not(st.just(0.5), 0.0),
            "webhook_lost": or_not(st.just(0.5), 0.0),
            "webhook_late": or_not(st.just(0.5), 0.0),
            "webhook_late_seconds": st.sampled_from([60, 900, 7200]),
            "webhook_details": st.booleans(),
            "webhook_params": st.booleans(),
            "job_statuses": st.sampled_from(["seven", "three"]),
            "knows_project": or_not(st.just(False), True),
            "slow_seconds": or_not(st.sampled_from([200, 550]), 40),
        }
    )


def shows_every_call(plan: Plan) -> bool:
    """Whether Hamsa's list is right, and its clock, whatever its records hold."""
    lies, honest = [plan.lies, plan.later_lies or plan.lies], Lies().model_dump(mode="json")
    right = all(said[name] == honest[name] for said in lies for name in honest if name.startswith("list_"))
    clocks = [how.get("clock_skew_seconds", 0) for how in (plan.scenario, plan.later)]
    return right and not plan.scenario["list_lag_seconds"] and clocks == [0, 0]


def fair(plan: Plan) -> Plan:
    """The plan without what nobody could notice in its world."""
    if shows_every_call(plan):
        return plan
    return replace(plan, faults=tuple("error_after" if kind in DENIED_AND_MADE else kind for kind in plan.faults))


def drawn_plans() -> st.SearchStrategy[Plan]:
    """Worlds."""
    kinds = st.one_of(*map(st.sampled_from, (("ok",), RINGS_UNKNOWN, NO_RING, DENIED_AND_MADE)))
    faults = st.lists(kinds, max_size=8)
    later = st.fixed_dictionaries(
        {
            "clock_skew_seconds": st.integers(-THREE_HOURS, THREE_HOURS),
            "knows_project": st.booleans(),
        }
    )
    agents = st.sampled_from([AGENT, "agent-collections", "inline"])
    fields = st.sampled_from([(FIELD,), KNOWS_NOTHING])
    return st.builds(
        Plan,
        lies=drawn_lies(),
        later_lies=or_not(drawn_lies(), None),
        scenario=drawn_scenarios(),
        later=or_not(later, {}),
        faults=faults.map(tuple),
        dies_at=st.one_of(st.none(), st.integers(1, 60)),
        rounds=st.lists(st.sampled_from([60, 900, 1800, 7200]), min_size=2, max_size=4).map(tuple),
        by_hand=or_not(st.lists(st.integers(0, 300), max_size=2).map(tuple), ()),
        campaigns=or_not(st.lists(agents, min_size=1, max_size=2).map(tuple), (AGENT,)),
        webhooks=or_not(st.just(True), False),
        strangers=or_not(st.integers(1, 4), 0),
        persons=or_not(st.integers(1, 4), 0),
        customers=st.tuples(
            st.just(tuple(CUSTOMERS)),
            st.sets(st.sampled_from(CUSTOMERS), min_size=1).map(lambda numbers: tuple(sorted(numbers))),
        ),
        opt_out_fields=st.tuples(fields, fields),
        seed=st.integers(0, 1000),
    ).map(fair)


@settings(max_examples=WORLDS, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(plan=drawn_plans())
def test_in_every_world_at_most_one_ring_per_attempt_and_nobody_is_lost_without_a_word(plan: Plan) -> None:
    one_world(plan)


@pytest.mark.postgres
@settings(
    max_examples=WORLDS_ON_POSTGRES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # emptied for each world
)
@given(plan=drawn_plans())
def test_on_postgresql_too(plan: Plan, postgres_database: str) -> None:
    empty(postgres_database)
    one_world_on_postgres(plan, postgres_database)


HALF = ("ok", "lost_answer") * 4

DENIED = {
    "keys": Plan(faults=DENIED_AND_MADE * 3),
    "and killed": Plan(faults=DENIED_AND_MADE * 3, dies_at=40),
    "no keys": Plan(scenario={"echo_params": False}, faults=DENIED_AND_MADE * 3),
    "ends swapped": Plan(lies={"list_ends": "swapped"}, faults=DENIED_AND_MADE * 3),
}
DENIED_BY_A_LIAR = {
    "keys late": Plan(lies={"record_key": "late"}, faults=DENIED_AND_MADE * 3),
    "records of others": Plan(lies={"record_of": "other_record"}, faults=DENIED_AND_MADE * 3),
    "digits hidden": Plan(lies={"list_digits": "hidden"}, faults=DENIED_AND_MADE * 3),
    "dates": Plan(lies={"list_times": "date"}, faults=DENIED_AND_MADE * 3),
}


@pytest.mark.parametrize(
    "plan",
    [*DENIED.values(), *(pytest.param(plan, marks=pytest.mark.thorough) for plan in DENIED_BY_A_LIAR.values())],
    ids=[*DENIED, *DENIED_BY_A_LIAR],
)
def test_worlds_in_which_phones_rang_though_hamsa_had_said_no(plan: Plan) -> None:
    one_world(plan)


MEASURED = {
    "dates only": Plan(lies={"list_times": "date"}, faults=HALF),
    "key late": Plan(lies={"record_key": "late"}, scenario={"never_ends": 0.5}, faults=HALF),
    "filtered counts the page": Plan(
        lies={"list_counts": "page", "list_page_rows": 4}, scenario={"list_order": "oldest"}, faults=HALF
    ),
}


@pytest.mark.parametrize("plan", MEASURED.values(), ids=MEASURED)
def test_worlds_in_which_phones_rang_twice_once(plan: Plan) -> None:
    one_world(plan)


KNOWN_TO_NOBODY_ELSE = ((FIELD,), KNOWS_NOTHING)
"""The first campaign's claims name the field; the second campaign, settling and the receiver do not know it."""

OPTED_OUT = {
    "by a run": Plan(scenario={"opt_outs": 0.5}, campaigns=(AGENT, AGENT), opt_out_fields=KNOWN_TO_NOBODY_ELSE),
    "after a crash": Plan(
        scenario={"opt_outs": 0.5}, dies_at=40, campaigns=(AGENT, AGENT), opt_out_fields=KNOWN_TO_NOBODY_ELSE
    ),
    "by settling": Plan(
        scenario={"opt_outs": 0.5}, faults=HALF, campaigns=(AGENT, AGENT), opt_out_fields=KNOWN_TO_NOBODY_ELSE
    ),
    "by a webhook": Plan(
        scenario={"opt_outs": 0.5}, webhooks=True, campaigns=(AGENT, AGENT), opt_out_fields=KNOWN_TO_NOBODY_ELSE
    ),
    "named later": Plan(scenario={"opt_outs": 0.5}, campaigns=(AGENT, AGENT), opt_out_fields=(KNOWS_NOTHING, (FIELD,))),
}


@pytest.mark.parametrize("plan", OPTED_OUT.values(), ids=OPTED_OUT)
def test_who_opts_out_is_called_by_no_campaign_however_it_was_learned(plan: Plan) -> None:
    one_world(plan)
