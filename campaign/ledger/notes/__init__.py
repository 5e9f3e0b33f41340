"""What the ledger keeps besides attempts: approvals, accounts, opt-outs, refusals."""

from campaign.ledger.notes.accounts import file_key, note_agent
from campaign.ledger.notes.approvals import Approval, last_approval, write_answer, write_question
from campaign.ledger.notes.opt_outs import (
    fields_of_the_ledger,
    lift,
    name_fields,
    note_opt_outs,
    note_searched,
    opt_out_of_call,
    opt_out_of_erasure,
    opt_out_of_list,
    said_in_the_past,
    unsearched,
)
from campaign.ledger.notes.refusals import AT_ONCE, Refusal, forget_refusals, note_refusals, of_erased

__all__ = [
    "AT_ONCE",
    "Approval",
    "Refusal",
    "fields_of_the_ledger",
    "file_key",
    "forget_refusals",
    "last_approval",
    "lift",
    "name_fields",
    "note_agent",
    "note_opt_outs",
    "note_refusals",
    "note_searched",
    "of_erased",
    "opt_out_of_call",
    "opt_out_of_erasure",
    "opt_out_of_list",
    "said_in_the_past",
    "unsearched",
    "write_answer",
    "write_question",
]
