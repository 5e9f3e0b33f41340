"""Everything that this project does to a person, with logs at their loudest: a program for `test_nothing_leaks`.

It reads from its first argument where things are, and prints which flow runs it made.
"""

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from prefect import flow
from prefect_sqlalchemy import AsyncDriver, AsyncSqlAlchemyConnector, ConnectionComponents
from pydantic import SecretStr

from blocks import CallingPolicy, CallLedger, HamsaCredentials, VoiceAgent
from campaign.intake import CsvFile, SqlQuery
from flows.call_customer import call_customer
from flows.erase_person import erase_person
from flows.explain_customer import explain_customer
from flows.import_opt_outs import import_opt_outs
from flows.lift_opt_out import lift_opt_out
from flows.run_campaign import run_campaign
from flows.settle_calls import settle_calls

LOUD = ("sqlalchemy", "asyncpg", "aiosqlite", "httpx", "httpcore", "hamsa", "campaign", "runtime", "tasks", "flows")


async def main(place: dict[str, Any]) -> None:
    """Do it all."""
    for library in LOUD:  # some of them are quiet by themselves, whatever the root logger says
        logging.getLogger(library).setLevel(logging.DEBUG)
    credentials = HamsaCredentials(api_key=SecretStr(place["api_key"]), base_url=place["hamsa"])
    await credentials.save("leaks", overwrite=True)
    agent = VoiceAgent(
        credentials=credentials,
        agent_details=place["agent"],
        webhook_url=place["webhook_url"],
        webhook_auth_secret=SecretStr(place["webhook_secret"]),
    )
    await agent.save("leaks", overwrite=True)
    policy = CallingPolicy(preset="unrestricted", lines=5, poll_min_seconds=0.1, poll_max_seconds=0.3, max_attempts=3)
    await policy.save("leaks", overwrite=True)
    ledger = CallLedger(url=SecretStr(place["ledger"]))
    await ledger.save("leaks", overwrite=True)
    connection = ConnectionComponents(driver=AsyncDriver.POSTGRESQL_ASYNCPG, **place["source"])
    connector = AsyncSqlAlchemyConnector(connection_info=connection)
    await connector.save("leaks", overwrite=True)
    with_ledger = {"ledger": await CallLedger.load("leaks")}
    blocks = {"agent": await VoiceAgent.load("leaks"), "policy": await CallingPolicy.load("leaks"), **with_ledger}
    states = []

    @flow(name="campaign from a file", persist_result=True)
    async def from_file(campaign: str) -> Any:
        people = CsvFile(path=Path(place["csv"]), default_region="GB")
        return await run_campaign(people, campaign=campaign, outcome_fields=["note", "phone"], **blocks)

    @flow(name="campaign from a query", persist_result=True)
    async def from_query() -> Any:
        query = SqlQuery(connector="leaks", query="SELECT * FROM customers WHERE 1 = :one", parameters={"one": 1})
        due = SqlQuery(connector="leaks", query="SELECT id FROM customers WHERE id = :id")
        return await run_campaign(query, still_due=due, campaign="from a query", **blocks)

    states.append(await from_file("from a file", return_state=True))
    states.append(await from_query(return_state=True))
    for single in place["single"]:
        parameters = {**single, **blocks, "outcome_fields": ["note"]}
        states.append(await call_customer(**parameters, return_state=True))
    listed = CsvFile(path=Path(place["opt_outs"]), default_region="GB")
    states.append(await import_opt_outs(people=listed, **with_ledger, return_state=True))
    states.append(await settle_calls(credentials=credentials, policy=policy, **with_ledger, return_state=True))
    for customer in place["customers"]:
        states.append(await explain_customer(customer=customer, **with_ledger, return_state=True))
        said = {"lifted_by": "Huda", "reason": "asked for it"}
        states.append(await lift_opt_out(customer=customer, **said, **with_ledger, return_state=True))
    for customer in place["erased"]:
        said = {"erased_by": "Huda", "reason": f"{customer} asked for it"}
        states.append(await erase_person(customer=customer, **said, **with_ledger, return_state=True))
        states.append(await erase_person(customer=customer, **said, **with_ledger, return_state=True))
    states.append(await from_file("once more", return_state=True))
    sys.stdout.write(json.dumps([[state.name, state.message] for state in states]))


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
