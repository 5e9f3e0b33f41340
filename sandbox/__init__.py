"""A local Hamsa to develop, demonstrate and test against: `python -m sandbox --port 8765 --seed 7 --speed 60`.

In process it is one object, `Sandbox`, whose clock tests turn by hand. Everything it does is described in
docs/reference/sandbox.md.
"""

from sandbox.calls import Dwell
from sandbox.clock import ManualClock, SystemClock
from sandbox.http import PLANTED_SECRETS, AnswerLost, NotConnected
from sandbox.in_process import Sandbox
from sandbox.scenario import AgentSpec, Scenario, ScenarioProblem, load_scenario, preset

__all__ = [
    "PLANTED_SECRETS",
    "AgentSpec",
    "AnswerLost",
    "Dwell",
    "ManualClock",
    "NotConnected",
    "Sandbox",
    "Scenario",
    "ScenarioProblem",
    "SystemClock",
    "load_scenario",
    "preset",
]
