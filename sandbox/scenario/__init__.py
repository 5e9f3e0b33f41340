"""What a sandbox is like, well-behaved or not: agents, faults and lies, from a preset or a file."""

from sandbox.scenario.agents import (
    PLANTED_LLM_KEY,
    PLANTED_WEBHOOK_SECRET,
    WHAT_TO_EXTRACT,
    AgentSpec,
    agent_v1,
    agent_v2,
    outcome_shape,
)
from sandbox.scenario.faults import FAULTS, NO_FAULT, Fault, Manner, draw_fault
from sandbox.scenario.lies import FAR_AWAY_SECONDS, another
from sandbox.scenario.scenario import (
    PRESETS,
    Scenario,
    ScenarioProblem,
    check_script,
    load_scenario,
    preset,
    read_scenario,
)

__all__ = [
    "FAR_AWAY_SECONDS",
    "FAULTS",
    "NO_FAULT",
    "PLANTED_LLM_KEY",
    "PLANTED_WEBHOOK_SECRET",
    "PRESETS",
    "WHAT_TO_EXTRACT",
    "AgentSpec",
    "Fault",
    "Manner",
    "Scenario",
    "ScenarioProblem",
    "agent_v1",
    "agent_v2",
    "another",
    "check_script",
    "draw_fault",
    "load_scenario",
    "outcome_shape",
    "preset",
    "read_scenario",
]
