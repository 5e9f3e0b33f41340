"""Stopping: whatever makes a run dial no more, whoever met it. Promises that the first reason stays."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from campaign.errors import CampaignError, JobConflict, LedgerError
from campaign.reporting import Stop, stop_kind
from hamsa import Unauthorized

logger = logging.getLogger(__name__)


class Stopping:
    """Whether a run dials no more, and why.

    Args:
        dial_no_more: Called with the first reason, once.

    Attributes:
        stopped: The first reason; None while the run goes on.
    """

    def __init__(self, dial_no_more: Callable[[], None]) -> None:
        self.stopped: Stop | None = None
        self._dial_no_more = dial_no_more

    def stop(self, stop: Stop) -> None:
        """Dial no more. The first reason stays."""
        if self.stopped is None:
            self.stopped = stop
            (logger.error if stop.failed else logger.info)("Dialing stops: %s", stop.message)
            self._dial_no_more()

    def unauthorized(self, error: Unauthorized) -> None:
        """Hamsa does not accept the key: no other call would succeed either."""
        said = str(error).rstrip(".")
        message = (
            f"Hamsa does not accept the API key: {said}. Put a valid key into the credentials block and run again."
        )
        self.stop(Stop("unauthorized", message, failed=True))

    def failed(self, error: CampaignError) -> None:
        """Something is wrong that a person has to fix."""
        self.stop(Stop(stop_kind(error), str(error), failed=True))

    @contextmanager
    def stop_on_ledger_error(self) -> Iterator[None]:
        """Around each use of the ledger: whoever cannot read or write it dials no more."""
        try:
            yield
        except JobConflict as conflict:
            # One fact that contradicts the others: the ledger itself is well, and the others may be called.
            logger.error("%s", conflict)
            raise
        except LedgerError as error:
            self.failed(error)
            raise
