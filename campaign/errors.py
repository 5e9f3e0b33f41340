"""What can go wrong around a campaign that its user can fix: each is one sentence that says where and what to do.

CampaignError
├─ LedgerError         the ledger cannot be opened, read or written: no claim, so no call
│  ├─ LedgerTooNew     a newer release wrote it: upgrade this program
│  └─ JobConflict      Hamsa's job and our attempt do not belong together; the ledger itself is well
├─ LimitUnavailable    the concurrency limit that is shared with others cannot be asked: no slot, so no call
├─ NotApproved         somebody was asked whether people may be called, and said no
├─ PolicyError         campaign/rules/policy/problems.py: rules that cannot be kept
├─ SourceError         campaign/intake/recipients.py: the rows to call cannot be read
└─ UnexpectedError          an error of this program or of what it stands on; only its kind is shown
"""


class CampaignError(Exception):
    """A campaign cannot continue. `str()` is meant for the person who started it."""


class LedgerError(CampaignError):
    """The ledger cannot be opened, read or written. Nobody is called without a claim."""


class LedgerTooNew(LedgerError):
    """A newer release has brought the ledger to a schema that this program does not know. Upgrade it."""


class JobConflict(LedgerError):
    """A job of Hamsa's was not noted: another attempt owns it, or this attempt already has another job.

    The ledger works; this one fact contradicts what it holds, and a person should look at both.
    """


class LimitUnavailable(CampaignError):
    """The limit that is shared with other flows and machines cannot be asked. Nobody is called without its slot."""


class NotApproved(CampaignError):
    """Somebody was asked whether people may be called, and said no. `str()` says so, with their note."""


class UnexpectedError(CampaignError):
    """Something that nobody foresaw. `str()` names its kind and not its text, which may hold a number or a secret."""
