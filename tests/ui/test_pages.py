"""What a person sees in Prefect's UI, in both of its versions: forms, runs, artifacts, blocks.

A screenshot of each page is left in the folder that `UI_SCREENSHOTS` names, for somebody to look at.
"""

import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Locator, Page, Response, expect

from tests.contact.place import CAMPAIGN, POOL, Place, listed
from tests.contact.saving import save_blocks_on
from tests.servers.prefect import run_prefect_server, start_worker
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import Program
from tests.servers.sandbox import start_sandbox
from tests.ui.browser import chromium, open_browser

pytestmark = pytest.mark.ui

SCREENSHOTS = os.environ.get("UI_SCREENSHOTS")

BOTH = ("", "/v2")
"""Where the two versions of the UI are: those who only look do so at one run."""

UIS = [pytest.param("", id="v1"), pytest.param("/v2", id="v2")]


@pytest.fixture(scope="module")
def deployed(reaper: ProcessReaper, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Program]]:
    """The project deployed on a server with the UI, blocks saved, a worker at work, a sandbox to call."""
    folder = tmp_path_factory.mktemp("ui")
    sandbox = start_sandbox(reaper, folder, speed=120.0, scenario={"magic_numbers": False, "opt_outs": 0})
    with run_prefect_server(reaper, folder / "prefect", ui=True) as server:
        place = Place(server, sandbox, folder)
        place.deploy()
        # It asks before it calls more than five people.
        save(place, approve_above=5, calls_per_task=10, lines=10)
        with start_worker(server, POOL, name="ui", reaper=reaper) as worker:
            yield place, worker
    sandbox.program.stop()


@pytest.fixture(scope="module")
def place(deployed: tuple[Place, Program]) -> Place:
    """Where the tests take place."""
    return deployed[0]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser's page."""
    executable = chromium()
    if executable is None:
        pytest.fail("No Chromium here. On Debian and Ubuntu: apt-get install chromium")
    with open_browser(executable, tmp_path_factory.mktemp("profile")) as page:
        yield page


def save(place: Place, **policy: object) -> None:
    """Save every block that prefect.yaml names; the agent needs no params, so a form with a number is enough."""
    save_blocks_on(
        place.server,
        place.folder,
        api_key=place.sandbox.api_key,
        base_url=place.sandbox.base_url,
        agent="agent-plain",
        policy=policy,
    )


def shoot(page: Page, name: str) -> None:
    """Leave a picture for people."""
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def version(ui: str) -> str:
    return ui.strip("/") or "v1"


def wait(place: Place, page: Page, run: str, **how: Any) -> dict[str, Any]:
    """Wait for a run as `Place.wait` does, with no page shown: one that waits for news is drawn all the time."""
    page.goto("about:blank")
    return place.wait(run, **how)


def submit(page: Page, button: Locator, request: str) -> Response:
    """Send a form. Returns the server's answer; one that is busy with its SQLite file is asked again, as people do."""
    while True:
        with page.expect_response(re.compile(request)) as answer:
            # Not by the mouse: what an answer of a busy server leaves on the page may lie over the button.
            button.dispatch_event("click")
        if answer.value.status != 503:
            return answer.value
        page.wait_for_timeout(500)


def pickers(page: Page, ui: str) -> Locator:
    """Where a form lets choose among saved blocks."""
    return page.get_by_label("Select a block") if ui else page.locator(".block-documents-select button")


@pytest.mark.parametrize("ui", UIS)
def test_somebody_is_called_from_the_form_and_the_page_says_how_it_went(place: Place, page: Page, ui: str) -> None:
    deployment = place.deployment("call-customer/on-demand")["id"]
    page.goto(f"{place.server.address}{ui}/deployments/deployment/{deployment}/run")
    expect(page.get_by_text("The number, in the form +12125550123")).to_be_visible()
    for help_text in ("The voice agent that talks.", "When and how often", "Where it is kept who was called"):
        expect(page.get_by_text(help_text)).to_be_visible()
    # Agent, policy and ledger; the policy that is chosen here is the one that the deployment names.
    expect(pickers(page, ui)).to_have_count(3)
    expect(page.get_by_text("None", exact=True)).to_have_count(0)
    if ui:  # v1's list does not open by a click of this browser.
        pickers(page, ui).nth(1).click()
        page.get_by_text("collections", exact=True).click()
        expect(pickers(page, ui).nth(1)).to_have_text("collections")
    texts = page.locator("textarea")
    texts.nth(0).fill("+12125550131" if ui else "+12125550132")
    texts.nth(1).fill(f"c-{version(ui)}")
    shoot(page, f"{version(ui)}-call-form")
    answer = submit(page, page.get_by_role("button", name="Submit"), "create_flow_run")
    assert answer.status == 201, answer.text()
    run = answer.json()["id"]
    state = wait(place, page, run)
    assert state["type"] == "COMPLETED", state["message"]
    page.goto(f"{place.server.address}{ui}/runs/flow-run/{run}")
    expect(page.get_by_text(f"call c-{version(ui)}").first).to_be_visible()
    expect(page.get_by_text("Completed").first).to_be_visible()
    expect(page.get_by_text(re.compile("•••••013[12]: calling")).first).to_be_visible()
    shoot(page, f"{version(ui)}-call-run")


def open_answer_form(page: Page, ui: str) -> None:
    """Press *Resume* on the page of a run that waits for an answer."""
    expect(page.get_by_text("Suspended").first).to_be_visible()
    if ui:  # in a menu, which the last of the buttons at the top opens
        page.get_by_role("main").get_by_role("button").first.click()
        page.get_by_role("menuitem", name="Resume").click()
    else:
        page.get_by_role("button", name="Resume").first.click()


@pytest.mark.parametrize("ui", UIS)
def test_a_campaign_asks_in_a_form_and_shows_how_it_went_on_its_page(place: Place, page: Page, ui: str) -> None:
    name = "call-overdue-customers/weekday-mornings"
    run = place.start(name, campaign=f"Overdue in November {version(ui)}")
    assert wait(place, page, run, until=frozenset({"PAUSED", "FAILED"}))["name"] == "Suspended"
    before = sum(place.rings().values())
    page.goto(f"{place.server.address}{ui}/runs/flow-run/{run}")
    expect(page.get_by_text("Suspended").first).to_be_visible()
    shoot(page, f"{version(ui)}-suspended")
    open_answer_form(page, ui)
    expect(page.get_by_text("whom, what it may cost and when it would end")).to_be_visible()
    expect(page.get_by_text("The most people whom this run may call; left as it is")).to_be_visible()
    shoot(page, f"{version(ui)}-approval-form")
    page.locator("textarea").last.fill("by the browser")
    answer = submit(page, page.get_by_role("button", name=re.compile("Resume|Submit")).last, "/resume$")
    assert answer.ok, answer.text()
    state = wait(place, page, run)
    assert state["type"] == "COMPLETED", state["message"]
    rang = sum(place.rings().values()) - before
    assert rang > 0
    artifacts = {
        artifact["key"]: artifact["id"]
        for artifact in place.ask("POST", "/artifacts/filter", {"flow_runs": {"id": {"any_": [run]}}})
    }
    page.goto(
        f"{place.server.address}{ui}/artifacts/artifact/{artifacts[f'overdue-in-november-{version(ui)}-approval']}"
    )
    expect(page.get_by_text(re.compile("May Overdue in November .* call")).first).to_be_visible()
    shoot(page, f"{version(ui)}-approval-page")
    page.goto(
        f"{place.server.address}{ui}/artifacts/artifact/{artifacts[f'overdue-in-november-{version(ui)}-summary']}"
    )
    words = re.compile(rf"\b{rang} of \d+ customers called(, \d+ of them not by this run)?: .* talked to the agent")
    expect(page.get_by_text(words).first).to_be_visible()
    expect(page.get_by_text(re.compile(r"What people said in \d+ conversations?")).first).to_be_visible()
    expect(page.get_by_text("promised to pay").first).to_be_visible()
    expect(page.get_by_text("cost per conversation").first).to_be_visible()
    shoot(page, f"{version(ui)}-summary")


def test_a_list_that_changed_is_shown_with_how_many_came_and_how_many_went(place: Place, page: Page) -> None:
    name, campaign = "call-overdue-customers/weekday-mornings", "Changed"

    def asked(people: dict[str, str]) -> str:
        run = place.start(
            name, **{**CAMPAIGN, "campaign": campaign, "customers": listed(place.folder, people, campaign)}
        )
        assert wait(place, page, run, until=frozenset({"PAUSED", "FAILED"}))["name"] == "Suspended"
        return run

    phones = {f"c{number}": f"+4420794{60000 + number}" for number in range(700, 712)}
    first = asked(dict(list(phones.items())[:10]))
    place.ask("POST", f"/flow_runs/{first}/resume", {"run_input": {"decision": "cancel", "note": "too early"}})
    wait(place, page, first)
    run = asked(dict(list(phones.items())[3:]))
    for ui in BOTH:
        page.goto(f"{place.server.address}{ui}/runs/flow-run/{run}")
        open_answer_form(page, ui)
        expect(page.get_by_text("with 10 people, 2 came and 3 went").first).to_be_visible()
        number = page.locator("input[type=number]").last
        number.fill("10")
        shoot(page, f"{version(ui)}-approval-of-too-many")
        page.get_by_role("button", name=re.compile("Resume|Submit")).last.click()
        page.wait_for_timeout(1500)
        shoot(page, f"{version(ui)}-approval-of-too-many-refused")
        assert place.ask("GET", f"/flow_runs/{run}")["state"]["type"] == "PAUSED"
    refused = place.ask("POST", f"/flow_runs/{run}/resume", {"run_input": {"at_most": 10}})
    assert "10 is greater than the maximum of 9" in str(refused), refused
    (shown,) = place.artifacts(run, key="changed-approval")
    for ui in BOTH:
        page.goto(f"{place.server.address}{ui}/artifacts/artifact/{shown['id']}")
        expect(page.get_by_text(re.compile("2 came and 3 went")).first).to_be_visible()
        shoot(page, f"{version(ui)}-approval-page-of-a-changed-list")
    place.ask("POST", f"/flow_runs/{run}/resume", {"run_input": {"decision": "cancel"}})
    wait(place, page, run)


def test_deployments_and_events_are_found(place: Place, page: Page) -> None:
    # The feed shows the latest events: a run of just now has emitted some of ours. The page ends a little before now.
    wait(place, page, place.start("call-overdue-customers/weekday-mornings", dry_run=True))
    for ui in BOTH:
        page.goto(f"{place.server.address}{ui}/deployments")
        # The first page of two, by name.
        for name in ("redial-afternoons", "on-demand", "on-invoice-overdue", "every-5-minutes", "erase"):
            expect(page.get_by_text(name).first).to_be_visible()
        shoot(page, f"{version(ui)}-deployments")
        ours = page.get_by_text(re.compile(r"hamsa\.(call|campaign)\.")).first
        for _ in range(12):
            page.goto(f"{place.server.address}{ui}/events")
            page.wait_for_timeout(3000)
            if ours.is_visible():
                break
            page.goto("about:blank")
            page.wait_for_timeout(5000)
        shoot(page, f"{version(ui)}-events")
        expect(ours).to_be_visible()


@pytest.mark.parametrize("ui", UIS)
def test_the_campaigns_form_has_tabs_for_its_sources_and_help_for_every_parameter(
    place: Place, page: Page, ui: str
) -> None:
    deployment = place.deployment("call-overdue-customers/weekday-mornings")
    page.goto(f"{place.server.address}{ui}/deployments/deployment/{deployment['id']}/run")
    expect(page.get_by_text("SQL query").first).to_be_visible()
    expect(page.get_by_text("CSV file").first).to_be_visible()
    for name, parameter in deployment["parameter_openapi_schema"]["properties"].items():
        assert parameter["title"] not in ("", name)
        title = re.compile(rf"^{re.escape(parameter['title'])}( \(Optional\))?$")
        expect(page.get_by_text(title).first).to_be_visible()
        words = re.sub(r"`", "", parameter["description"])
        expect(page.get_by_text(words.split("`")[0][:25]).first).to_be_visible()
    expect(pickers(page, ui)).to_have_count(3)
    # Only who is not to be called and who still owes may come from nowhere; all else is one input.
    expect(page.get_by_text("None", exact=True)).to_have_count(2)
    shoot(page, f"{version(ui)}-campaign-form")
    # Nothing has to be filled in: what the deployment and the defaults give is enough, in v1 as in v2.
    answer = submit(page, page.get_by_role("button", name="Submit"), "create_flow_run")
    assert answer.status == 201, answer.text()
    run = answer.json()["id"]
    assert not answer.json()["parameters"].get("campaign")
    wait(place, page, run, until=frozenset({"PAUSED"}))
    place.set_state(run, "CANCELLED")


@pytest.mark.parametrize("ui", UIS)
def test_one_attempt_is_settled_by_hand_in_a_form_that_may_be_left_alone(place: Place, page: Page, ui: str) -> None:
    deployment = place.deployment("settle-calls/every-5-minutes")
    page.goto(f"{place.server.address}{ui}/deployments/deployment/{deployment['id']}/run")
    for help_text in ("Whom it was to call", "Whether it rang.", "Who says so", "How they know"):
        expect(page.get_by_text(help_text).first).to_be_visible()
    shoot(page, f"{version(ui)}-settle-form")
    answer = submit(page, page.get_by_role("button", name="Submit"), "create_flow_run")
    assert answer.status == 201, answer.text()
    state = wait(place, page, answer.json()["id"])
    assert state["type"] == "COMPLETED", state["message"]
    page.goto(f"{place.server.address}{ui}/deployments/deployment/{deployment['id']}/run")
    texts = page.locator("textarea")
    expect(texts).to_have_count(2 + 4)  # the outcome fields of the deployment come first
    texts.nth(2).fill("2026")
    texts.nth(3).fill("C-17")
    page.wait_for_timeout(1000)  # the forms take a text over only once the typing has paused
    answer = submit(page, page.get_by_role("button", name="Submit"), "create_flow_run")
    assert answer.json()["parameters"]["by_hand"]["recipient_id"] == "C-17"
    state = wait(place, page, answer.json()["id"])
    assert (state["type"], "lacks `the_phone`, `who`, `why`" in state["message"]) == ("FAILED", True), state["message"]


@pytest.mark.parametrize("ui", UIS)
@pytest.mark.parametrize(
    ("block", "label", "help_text"),
    [
        ("hamsa-credentials", "API key", "key"),
        ("hamsa-voice-agent", "Voice agent id", "Id of the agent in Hamsa's dashboard"),
        ("calling-policy", "Preset", "Where the rules start from"),
        ("call-ledger", "Database URL", "means a SQLite file"),
    ],
    ids=["credentials", "agent", "policy", "ledger"],
)
def test_a_block_is_made_in_a_form_with_titles_and_help(
    place: Place, page: Page, ui: str, block: str, label: str, help_text: str
) -> None:
    page.goto(f"{place.server.address}{ui}/blocks/catalog/{block}/create")
    expect(page.get_by_text(re.compile(rf"^{label}")).first).to_be_visible()
    expect(page.get_by_text(help_text).first).to_be_visible()
    shoot(page, f"{version(ui)}-block-{block}")


@pytest.mark.parametrize("ui", UIS)
def test_a_saved_blocks_page_says_what_it_is_for_and_what_it_holds(place: Place, page: Page, ui: str) -> None:
    wanted = {"block_documents": {"name": {"any_": ["collections"]}}}
    saved = {block["block_type"]["slug"]: block for block in place.ask("POST", "/block_documents/filter", wanted)}
    page.goto(f"{place.server.address}{ui}/blocks/block/{saved['calling-policy']['id']}")
    expect(page.get_by_text("Says how a campaign may call").first).to_be_visible()
    expect(page.get_by_text("Attempts per recipient").first).to_be_visible()
    expect(page.get_by_text('CallingPolicy.load("collections")').first).to_be_visible()
    shoot(page, f"{version(ui)}-saved-policy")


def test_a_call_that_comes_too_early_is_seen_waiting_and_says_until_when(place: Place, page: Page) -> None:
    today = f"{datetime.now(UTC):%A}".lower()
    other_days = [day for day in ("monday", "wednesday", "friday") if day != today]
    save(place, windows=[{"days": other_days, "start": "09:00", "end": "18:00"}])
    run = place.start("call-customer/on-demand", phone="+12125550133", recipient_id="early", timezone="UTC")
    said = re.compile(r"Waits until \w+day [\d-]+ 09:00 \(UTC\) to call early")
    while not said.search(place.state(run)["message"] or ""):
        assert place.state(run)["type"] in {"SCHEDULED", "PENDING", "RUNNING"}, place.state(run)
        page.wait_for_timeout(200)
    for ui in BOTH:
        page.goto(f"{place.server.address}{ui}/runs/flow-run/{run}")
        expect(page.get_by_text("Scheduled").first).to_be_visible()
        page.get_by_role("tab", name="Details").or_(page.get_by_text("Details", exact=True)).last.click()
        expect(page.get_by_text(said).first).to_be_visible()
        shoot(page, f"{version(ui)}-waiting")
    place.set_state(run, "CANCELLED")


def wait_for_noted_calls(place: Place, campaign: str) -> None:
    """Wait until the ledger has calls in progress: a phone rings a little sooner."""
    deadline = time.monotonic() + 240
    query = "SELECT count(*) FROM call_attempts WHERE campaign = ? AND state = 'placed'"
    while True:
        with closing(sqlite3.connect(place.folder / "calls.db")) as connection:
            ((count,),) = connection.execute(query, (campaign,))
        if count:
            return
        assert time.monotonic() < deadline, "no call was noted"
        time.sleep(0.05)


def test_a_campaign_that_was_killed_is_seen_running_again_and_shows_how_it_went(
    deployed: tuple[Place, Program], page: Page
) -> None:
    place, worker = deployed
    save(place, calls_per_task=10, lines=3)
    place.sandbox.reset()
    place.sandbox.change_scenario(speed=20.0)
    name = "call-overdue-customers/redial-afternoons"
    killed = place.start(name, campaign="Killed and resumed")
    place.wait_for_rings(3)
    wait_for_noted_calls(place, "Killed and resumed")
    for child in psutil.Process(worker.pid).children(recursive=True):
        os.kill(child.pid, signal.SIGKILL)
    assert wait(place, page, killed)["type"] == "CRASHED"
    again = place.start(name, campaign="Killed and resumed")
    place.wait_for_rings(8)
    for ui in BOTH:
        page.goto(f"{place.server.address}{ui}/runs/flow-run/{again}")
        expect(page.get_by_text("Running").first).to_be_visible()
        expect(page.get_by_text(re.compile("calls? of earlier runs (is|are) unfinished")).first).to_be_visible()
        shoot(page, f"{version(ui)}-running-again")
        page.get_by_role("tab", name="Artifacts").or_(page.get_by_text("Artifacts", exact=True)).last.click()
        expect(page.get_by_text(re.compile(r"[1-9]\d* of \d+ customers done")).first).to_be_visible()
        shoot(page, f"{version(ui)}-running-again-artifacts")
    place.sandbox.change_scenario(speed=120.0)
    state = wait(place, page, again)
    assert state["type"] == "COMPLETED", state["message"]
    assert set(place.rings().values()) == {1}
    (summary,) = place.artifacts(again, key="killed-and-resumed-summary")
    for ui in BOTH:
        page.goto(f"{place.server.address}{ui}/artifacts/artifact/{summary['id']}")
        expect(page.get_by_text("Followed or settled by this run").first).to_be_visible()
        shoot(page, f"{version(ui)}-killed-and-resumed")
        page.goto(f"{place.server.address}{ui}/runs/flow-run/{killed}")
        expect(page.get_by_text("Crashed").first).to_be_visible()
        shoot(page, f"{version(ui)}-killed")
