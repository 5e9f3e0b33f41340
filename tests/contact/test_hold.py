"""Hold and resume by their deployments, on the ledger that the campaigns have."""

import pytest

from tests.contact.place import CAMPAIGN, Place, listed
from tests.servers.program import Program

pytestmark = [pytest.mark.prefect, pytest.mark.processes, pytest.mark.thorough]

REDIAL = "call-overdue-customers/redial-afternoons"


async def test_a_campaign_that_somebody_holds_by_the_form_calls_nobody_until_somebody_resumes_it(
    place: Place, worker: Program
) -> None:
    await place.save_blocks(ledger_url=f"sqlite:///{place.folder / 'held.db'}")
    place.sandbox.reset()
    unknown = place.wait(place.start("hold-campaign/hold", campaign="overdue", note="wrong amounts"))
    assert unknown["type"] == "FAILED"
    assert "knows no campaign at all yet" in unknown["message"]
    first, both = {"c-1": "+12125550133"}, {"c-1": "+12125550133", "c-2": "+12125550134"}
    given = {**CAMPAIGN, "campaign": "overdue"}
    run = place.start(REDIAL, **given, customers=listed(place.folder, first, "held-first"))
    assert place.wait(run)["type"] == "COMPLETED"
    unknown = place.wait(place.start("hold-campaign/hold", campaign="overdeu", note="wrong amounts"))
    assert unknown["type"] == "FAILED"
    assert unknown["message"].endswith("knows no campaign overdeu. It knows overdue.")
    hold = place.start("hold-campaign/hold", campaign="overdue", note="wrong amounts", held_by="Mona")
    assert place.wait(hold)["type"] == "COMPLETED"
    given |= {"customers": listed(place.folder, both, "held-both")}
    held = place.wait(place.start(REDIAL, **given))
    assert held["type"] == "COMPLETED", "it is somebody's will, and nothing to fix"
    assert "on hold (by Mona: wrong amounts): nobody is called until somebody resumes it" in held["message"]
    assert place.rings() == {"+12125550133": 1}
    state = place.wait(place.start("resume-campaign/resume", campaign="overdue"))
    assert state["message"].startswith("overdue was on hold (by Mona: wrong amounts).")
    assert place.wait(place.start(REDIAL, **given))["type"] == "COMPLETED"
    assert place.rings() == {"+12125550133": 1, "+12125550134": 1}
