"""A phone call that was triggered: wait for its end, then fetch its result."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from prefect.blocks.abstract import JobRun

from campaign.attempts import Attempt
from campaign.dialing import Caller, NoEndYet, OpenedCall
from campaign.intake import mask
from campaign.reporting import CallResult

Connect = Callable[[], AbstractAsyncContextManager[Caller]]
"""Opens what a call is followed with: a client, and the ledger in which it stands."""


class PhoneCall(JobRun[CallResult]):
    """One call, in progress or over. It stands in the ledger, so whoever waits for it may come later or come again.

    Args:
        opened: The call.
        connect: Opens what it is followed with; called for each use, so that nothing stays open meanwhile.

    Attributes:
        job_id: Hamsa's id of the call.
        call_key: The attempt's key in the ledger.
        is_new: Whether it was placed just now. Otherwise it had been made before, and nobody was called again.
    """

    def __init__(self, opened: OpenedCall, connect: Connect) -> None:
        self.job_id = opened.attempt.job_id
        self.call_key = opened.attempt.call_key
        self.is_new = opened.is_new
        self._attempt = opened.attempt
        self._connect = connect

    def __repr__(self) -> str:
        return f"{type(self).__name__}(to {mask(self._attempt.phone)}, job_id={self.job_id!r}, is_new={self.is_new})"

    async def wait_for_completion(self) -> None:  # type: ignore[override]  # Prefect's own says it returns a logger
        """Follow the call until it is over, and write its end into the ledger. A call that failed is over, too.

        Raises:
            NoEndYet: It did not end within the policy's `give_up_after_seconds`; waiting again goes on with it.
            LedgerError: The ledger cannot be read or written.
        """
        async with self._connect() as caller:
            self._attempt = await caller.follow(self.call_key)
        self.logger.info("%s: %s", mask(self._attempt.phone), _words(self._attempt))

    async def fetch_result(self) -> CallResult:
        """Return how it went, and the job record, with the callee's number masked.

        Raises:
            NoEndYet: It is not over: `await wait_for_completion()` first.
            LedgerError: The ledger cannot be read.
        """
        async with self._connect() as caller:
            result = CallResult.of(await caller.look_up(self.call_key))
        if not result.is_over:
            raise NoEndYet(f"The call to {result.number} (job {self.job_id}) is not over: wait_for_completion() first.")
        return result


def _words(attempt: Attempt) -> str:
    words = attempt.state.label
    return f"{words} after {attempt.duration_seconds:.0f} s" if attempt.duration_seconds else words
