"""Call overdue customers, end to end: a real Prefect server, a sandbox over TCP, a real database."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.flow_engine import run_flow
from prefect.states import Scheduled
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver
from pydantic import SecretStr

from blocks import HamsaCredentials
from campaign import CampaignReport, CsvFile, SqlQuery
from campaign.buckets import Bucket
from campaign.errors import CampaignError
from flows.call_overdue_customers import call_overdue_customers
from flows.run_campaign import run_campaign
from runtime.campaign_flow import state_of
from tests.flows.world import World, artifacts, rows


def csv(folder: Path, text: str, name: str = "customers.csv") -> CsvFile:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return CsvFile(path=path)


GOOD = "id,phone,name,amount,due_date\n" + "".join(
    f"{row['id']},{row['phone']},{row['name']},{10 * n},2026-01-{n + 1:02}\n" for n, row in enumerate(rows(12))
)


async def run(world: World, **arguments: Any) -> Any:
    given = {"agent": world.agent(), "policy": world.policy(), "ledger": world.ledger, "campaign": "overdue"}
    flow_of_anything: Any = call_overdue_customers
    return await flow_of_anything(**{**given, **arguments}, return_state=True)


async def test_a_campaign_calls_each_customer_once_and_says_how_it_went(world: World) -> None:
    state = await run(world, customers=csv(world.folder, GOOD))
    report: CampaignReport = await state.aresult()
    assert state.is_completed()
    assert report.rows_read == 12 == sum(report.buckets.values())
    assert report.in_group("called") == 12
    assert sorted(world.rings().values()) == [1] * 12
    assert state.message == report.headline
    kinds = [artifact.type for artifact in await artifacts(state.state_details.flow_run_id)]
    assert {"table", "progress", "markdown"} <= set(kinds)


async def test_running_it_again_calls_nobody_and_says_so(world: World) -> None:
    await run(world, customers=csv(world.folder, GOOD))
    state = await run(world, customers=csv(world.folder, GOOD))
    report: CampaignReport = await state.aresult()
    assert report.buckets == {Bucket.ALREADY_CALLED: 12}
    assert "Nobody was called again" in state.message
    assert sorted(world.rings().values()) == [1] * 12


async def test_a_dry_run_calls_nobody_and_leaves_no_trace_in_the_ledger(world: World) -> None:
    state = await run(world, customers=csv(world.folder, GOOD), dry_run=True)
    async with get_client() as client:
        run_name = (await client.read_flow_run(state.state_details.flow_run_id)).name
    assert run_name.startswith("overdue from ")
    assert run_name.endswith(" (dry run)")
    report: CampaignReport = await state.aresult()
    assert report.buckets == {Bucket.WOULD_CALL: 12}
    assert world.rings() == {}
    async with world.ledger.open() as ledger:
        assert await ledger.attempts() == []


async def test_a_run_that_is_late_counts_days_from_the_day_for_which_it_was_planned(world: World) -> None:
    planned = datetime.now(UTC) - timedelta(days=2)
    day = planned.date()
    due = {name: day - timedelta(days=late) for name, late in (("a", 1), ("b", 0))}
    text = "id,phone,due_date\n" + "".join(
        f"{name},{row['phone']},{due[name]}\n" for name, row in zip(due, rows(2), strict=True)
    )
    parameters = {
        "agent": world.agent(),
        "policy": world.policy(),
        "customers": csv(world.folder, text),
        "ledger": world.ledger,
        "min_days_overdue": 1,
        "dry_run": True,
    }
    any_flow: Any = call_overdue_customers
    async with get_client() as client:
        late = await client.create_flow_run(any_flow, state=Scheduled(scheduled_time=planned))
    running: Any = run_flow(any_flow, flow_run=late, parameters=parameters, return_type="state")
    state = await running
    report: CampaignReport = await state.aresult()
    assert report.campaign == f"call-overdue-customers-{day}"
    assert report.buckets == {Bucket.WOULD_CALL: 1, Bucket.NOT_SELECTED: 1}


async def test_rows_that_cannot_be_called_land_in_buckets_and_stop_nobody_else(world: World) -> None:
    text = (
        "id,phone,region,do_not_call\n"
        "a,+442079460001,,\n"
        "b,,,\n"
        "c,not a number,,\n"
        "d,020 7946 0004,,\n"
        "e,020 7946 0005,GB,\n"
        "f,+44 20 7946 0001,,\n"
        "g,+1 900 555 0137,,\n"
        "h,+442079460008,,yes\n"
        "a,+442079460009,,\n"
        "i,+442079460010\n"
        ",+442079460011,,\n"
    )
    state = await run(world, customers=csv(world.folder, text))
    report: CampaignReport = await state.aresult()
    assert sum(report.buckets.values()) == 11
    assert report.in_group("called") == 2
    assert set(world.rings()) == {"+442079460001", "+442079460005"}
    expected = {"no_number", "not_a_number", "no_region", "duplicate_number", "wrong_line", "do_not_call"}
    assert expected | {"duplicate_recipient", "bad_row", "no_id"} <= {bucket.value for bucket in report.buckets}


async def test_only_those_overdue_long_enough_and_with_enough_are_called(world: World) -> None:
    state = await run(world, customers=csv(world.folder, GOOD), min_days_overdue=5, min_amount=30, as_of="2026-01-11")
    report: CampaignReport = await state.aresult()
    assert report.in_group("called") == 3
    assert report.buckets[Bucket.NOT_SELECTED] == 9


async def test_rows_of_a_database_are_called_by_a_query_with_parameters(world: World) -> None:
    database = world.folder / "receivables.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("create table customers(customer_id text, phone text, owed real)")
        connection.executemany(
            "insert into customers values (?, ?, ?)", [(row["id"], row["phone"], n) for n, row in enumerate(rows(10))]
        )
    connection.close()
    block = SqlAlchemyConnector(
        connection_info=ConnectionComponents(driver=SyncDriver.SQLITE_PYSQLITE, database=str(database))
    )
    await block.save("flow-test-receivables", overwrite=True)
    query = SqlQuery(
        connector="flow-test-receivables",
        query="select customer_id, phone from customers where owed >= :least",
        parameters={"least": 4},
    )
    state = await run(world, customers=query)
    report: CampaignReport = await state.aresult()
    assert report.rows_read == 6 == report.in_group("called")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"customers": SqlQuery(connector="no-such-block", query="select 1")}, "no-such-block"),
        ({"customers": CsvFile(path=Path("/nowhere/customers.csv"))}, "customers.csv"),
    ],
    ids=["no block", "no file"],
)
async def test_a_source_that_cannot_be_read_fails_the_run_with_one_sentence(
    world: World, arguments: dict[str, Any], sentence: str
) -> None:
    state = await run(world, **arguments)
    assert state.is_failed()
    assert sentence in state.message
    assert "\n" not in state.message
    assert world.rings() == {}


@pytest.mark.parametrize("field", ["customers", "do_not_call", "still_due"])
async def test_a_connector_that_the_policy_does_not_name_is_not_asked(world: World, field: str) -> None:
    other = {field: SqlQuery(connector="payroll", query="select id, phone from people where id = :id")}
    given = {"customers": csv(world.folder, "id,phone\n1,+442079460001\n")} | other
    state = await run(world, policy=world.policy(connectors=["sales"]), **given)
    assert state.is_failed()
    assert "does not let a run use the connector block payroll, but only sales" in state.message
    assert world.rings() == {}


async def test_a_list_that_is_not_understood_stops_the_run_before_anybody_is_called(world: World) -> None:
    barred = csv(world.folder, 'phone,reason\n+442079460003,"asked\n+442079460004,"x"\n', name="barred.csv")
    people = csv(world.folder, "id,phone\n3,+442079460003\n4,+442079460004\n5,+442079460005\n")
    state = await run(world, customers=people, do_not_call=barred)
    assert state.is_failed()
    assert "barred.csv: lines 2 to 3 cannot be read as CSV" in state.message
    assert world.rings() == {}


async def test_an_empty_source_is_a_success_that_says_so(world: World) -> None:
    state = await run(world, customers=csv(world.folder, "id,phone\n"))
    assert state.is_completed()
    assert "nobody to call" in state.message


async def test_a_wrong_key_fails_the_run_before_anybody_is_called(world: World) -> None:
    wrong = HamsaCredentials(api_key=SecretStr("not-the-key"), base_url=world.sandbox.base_url)
    state = await run(world, agent=world.agent(credentials=wrong), customers=csv(world.folder, GOOD))
    assert state.is_failed()
    assert "API key" in state.message
    assert "not-the-key" not in state.message
    assert world.rings() == {}


async def test_an_agent_that_hamsa_does_not_know_fails_the_run_before_anybody_is_called(world: World) -> None:
    world.sandbox.change_scenario(any_agent=False)
    state = await run(world, agent=world.agent(voice_agent_id="agent-unheard-of"), customers=csv(world.folder, GOOD))
    assert state.is_failed()
    assert "agent-unheard-of" in state.message
    assert world.rings() == {}


async def test_an_agent_is_not_let_loose_on_rows_without_what_it_says(world: World) -> None:
    text = "id,phone,name\na,+442079460001,Mona\nb,+442079460002,\n"
    state = await run(world, agent=world.agent(voice_agent_id="agent-collections"), customers=csv(world.folder, text))
    report: CampaignReport = await state.aresult()
    assert report.buckets[Bucket.MISSING_PARAMS] == 1
    assert set(world.rings()) == {"+442079460001"}


async def test_the_next_campaign_is_a_ten_line_flow(world: World) -> None:
    @flow
    async def survey() -> CampaignReport:
        report = await run_campaign(
            rows(5), agent=world.agent(), policy=world.policy(), ledger=world.ledger, campaign="survey"
        )
        return state_of(report)  # type: ignore[no-any-return]

    report = await survey()
    assert report.in_group("called") == 5
    assert sum(world.rings().values()) == 5


async def test_a_lost_answer_rings_once_and_is_found(world: World) -> None:
    world.sandbox.change_scenario(lost_answer=0.3)
    state = await run(world, customers=csv(world.folder, GOOD))
    report: CampaignReport = await state.aresult()
    assert report.in_group("called") == 12
    assert sorted(world.rings().values()) == [1] * 12


async def test_whoever_awaits_a_failed_campaign_gets_the_sentence_as_an_error(world: World) -> None:
    with pytest.raises(CampaignError, match="nowhere"):
        await call_overdue_customers(agent=world.agent(), customers=CsvFile(path=Path("/nowhere/x.csv")))


def receivables(folder: Path, count: int) -> SqlAlchemyConnector:
    database = folder / "ar.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("create table customers(id text, phone text, paid int default 0)")
        connection.executemany(
            "insert into customers(id, phone) values (?, ?)", [(row["id"], row["phone"]) for row in rows(count)]
        )
    connection.close()
    return SqlAlchemyConnector(
        connection_info=ConnectionComponents(driver=SyncDriver.SQLITE_PYSQLITE, database=str(database))
    )


async def test_who_has_paid_since_the_list_was_made_is_not_called(world: World) -> None:
    await receivables(world.folder, 4).save("flow-test-paid", overwrite=True)
    with closing(sqlite3.connect(world.folder / "ar.db")) as connection, connection:
        connection.execute("update customers set paid = 1 where id = 'c2'")
    connection.close()
    state = await run(
        world,
        customers=SqlQuery(connector="flow-test-paid", query="select id, phone from customers"),
        still_due=SqlQuery(connector="flow-test-paid", query="select 1 from customers where id = :id and paid = 0"),
    )
    report: CampaignReport = await state.aresult()
    assert report.buckets[Bucket.NO_LONGER_DUE] == 1
    assert report.in_group("called") == 3
    assert "+442079460002" not in world.rings()


async def test_a_still_due_query_that_cannot_be_asked_stops_the_run_before_it_dials(world: World) -> None:
    await receivables(world.folder, 4).save("flow-test-broken", overwrite=True)
    state = await run(
        world,
        customers=SqlQuery(connector="flow-test-broken", query="select id, phone from customers"),
        still_due=SqlQuery(connector="flow-test-broken", query="select 1 from no_such_table where id = :id"),
    )
    assert state.is_failed()
    assert "still_due" in state.message
    assert world.rings() == {}


async def test_a_do_not_call_list_bars_its_numbers(world: World) -> None:
    barred = csv(world.folder, "phone\n+44 20 7946 0003\n", name="barred.csv")
    state = await run(world, customers=csv(world.folder, GOOD), do_not_call=barred)
    report: CampaignReport = await state.aresult()
    assert report.buckets[Bucket.DO_NOT_CALL] == 1
    assert "+442079460003" not in world.rings()


async def test_a_concurrency_limit_that_does_not_exist_fails_before_anybody_is_called(world: World) -> None:
    state = await run(world, customers=csv(world.folder, GOOD), policy=world.policy(concurrency_limit="no-such-limit"))
    assert state.is_failed()
    assert "prefect gcl create no-such-limit" in state.message
    assert world.rings() == {}


async def test_lines_are_shared_through_a_global_concurrency_limit(world: World) -> None:
    async with get_client() as client:
        await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name="hamsa-lines", limit=2))
    world.sandbox.change_scenario(speed=30)
    few = "\n".join(GOOD.splitlines()[:7])
    state = await run(world, customers=csv(world.folder, few), policy=world.policy(concurrency_limit="hamsa-lines"))
    assert state.is_completed(), state.message
    assert world.sandbox.stats()["most_lines_at_once"] <= 2
    assert sorted(world.rings().values()) == [1] * 6
