"""How a run in Prefect waits or ends: cancelled, suspended, rescheduled, failed with one sentence, its server lost."""

from runtime.run_states.cancellation import cancel_on_sigterm, finish_despite_cancellation
from runtime.run_states.clean_failures import end_as_cancelled, fail_cleanly
from runtime.run_states.loss_of_prefect import LossOfPrefect
from runtime.run_states.rescheduling import can_reschedule, is_within, reschedule_at
from runtime.run_states.suspension import show_in_state, until_suspended
from runtime.run_states.wrong_parameters import explain_wrong_parameters

__all__ = [
    "LossOfPrefect",
    "can_reschedule",
    "cancel_on_sigterm",
    "end_as_cancelled",
    "explain_wrong_parameters",
    "fail_cleanly",
    "finish_despite_cancellation",
    "is_within",
    "reschedule_at",
    "show_in_state",
    "until_suspended",
]
