"""The calls of the sandbox's Hamsa: how they are ordered, how they go, what is said in them, how often phones rang."""

from sandbox.calls.call_list import Call, CallList, Page, Wanted
from sandbox.calls.lives import (
    DWELLS,
    SHOWN_AS,
    TRANSITIONS,
    Course,
    Dwell,
    Life,
    Phase,
    Step,
    check_transitions,
    draw_life,
)
from sandbox.calls.magic import MAGIC_AGENTS, Magic, MagicAgent, magic_number
from sandbox.calls.numbers import mask, write_number
from sandbox.calls.orders import HAMSA_NUMBERS, LOOPBACK_HOSTS, ROUTES, BadOrder, CallOrder, read_order
from sandbox.calls.outcomes import Attitude, Outcome, draw_attitude, draw_outcome
from sandbox.calls.truth import describe_call, describe_totals

__all__ = [
    "DWELLS",
    "HAMSA_NUMBERS",
    "LOOPBACK_HOSTS",
    "MAGIC_AGENTS",
    "ROUTES",
    "SHOWN_AS",
    "TRANSITIONS",
    "Attitude",
    "BadOrder",
    "Call",
    "CallList",
    "CallOrder",
    "Course",
    "Dwell",
    "Life",
    "Magic",
    "MagicAgent",
    "Outcome",
    "Page",
    "Phase",
    "Step",
    "Wanted",
    "check_transitions",
    "describe_call",
    "describe_totals",
    "draw_attitude",
    "draw_life",
    "draw_outcome",
    "magic_number",
    "mask",
    "read_order",
    "write_number",
]
