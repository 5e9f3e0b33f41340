"""Hamsa's events on their way to a webhook: lost, doubled, late and out of order as the scenario has it.

Only loopback hosts are ever connected to; an event for any other host is counted, logged and not sent.
"""

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sandbox.calls import LOOPBACK_HOSTS, Call, Phase
from sandbox.http.wire import event
from sandbox.scenario import Scenario
from sandbox.world import PROJECT_ID, World

logger = logging.getLogger(__name__)

SendWebhook = Callable[[str, Mapping[str, str], bytes], Awaitable[int]]
"""Posts a body to a URL with these headers; returns the status, raises OSError or TimeoutError if there is none."""

ANSWER_WITHIN_SECONDS = 5.0
"""Real seconds that a webhook has for its answer."""


@dataclass(frozen=True, order=True, slots=True)
class Delivery:
    """One event on its way."""

    due: float
    """When it is sent, epoch seconds."""
    kind: str
    happened: float
    """When it happened, epoch seconds."""
    fault: str | None = None


def plan_deliveries(call: Call, scenario: Scenario, chance: random.Random) -> list[Delivery]:
    """Return what is sent about `call` and when, in the order of sending; a lost event has an infinite `due`."""
    happenings = list(_happenings(call, transcripts=scenario.webhook_transcripts))
    planned = []
    for index, (kind, happened) in enumerate(happenings):
        lost, doubled, late, disorder = (chance.random() for _ in range(4))
        due, fault = happened, None
        if lost < scenario.webhook_lost:
            planned.append(Delivery(float("inf"), kind, happened, "lost"))
            continue
        if disorder < scenario.webhook_disorder and index + 1 < len(happenings):
            # Sent after its successor, by as little as it takes.
            due, fault = happenings[index + 1][1] + 0.001, "out of order"
        if late < scenario.webhook_late:
            due, fault = due + scenario.webhook_late_seconds, "late"
        planned.append(Delivery(due, kind, happened, fault))
        if doubled < scenario.webhook_doubled:
            planned.append(Delivery(due, kind, happened, "doubled"))
    return sorted(planned, key=lambda delivery: delivery.due)


class Postman:
    """Sends the events of every call that has a webhook.

    Args:
        world: Whose calls these are; it reports each as it is placed.
        send: How an event is posted.
    """

    def __init__(self, world: World, send: SendWebhook | None = None) -> None:
        self._world = world
        self._send = send or post_to_loopback
        self._rounds: set[asyncio.Task[None]] = set()
        world.on_placed = self.take
        world.on_terminated = self.take_end

    def take(self, call: Call) -> None:
        """Begin to send the events of `call`; needs a running event loop if it has a webhook."""
        if call.webhook_url is None:
            return
        chance = random.Random(f"{self._world.seed}:webhook:{call.number}:{call.ring}")
        self._begin(call, plan_deliveries(call, self._world.scenario, chance))

    def take_end(self, call: Call) -> None:
        """Send that `call` was hung up."""
        if call.webhook_url is not None:
            now = self._world.now()
            self._begin(call, [Delivery(now, "call.ended", now)])

    def _begin(self, call: Call, deliveries: list[Delivery]) -> None:
        round_ = asyncio.get_running_loop().create_task(self._deliver(call, deliveries))
        self._rounds.add(round_)
        round_.add_done_callback(self._rounds.discard)

    async def aclose(self) -> None:
        """Drop what was not yet sent."""
        rounds = list(self._rounds)
        for round_ in rounds:
            round_.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)

    async def _deliver(self, call: Call, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            if delivery.fault == "lost":
                self._note(call, delivery, "lost")
                continue
            await self._world.clock.sleep(delivery.due - self._world.now())
            if delivery.happened > call.life.ends_at:  # hung up before it happened
                continue
            await self._deliver_one(call, delivery)

    async def _deliver_one(self, call: Call, delivery: Delivery) -> None:
        scenario = self._world.scenario
        shown = event(call, delivery.kind, delivery.happened, scenario, PROJECT_ID)
        shown = scenario.lies.event(shown, self._world.another(call).id)
        body = json.dumps(shown, separators=(",", ":")).encode()
        headers = {"content-type": "application/json"}
        if call.webhook_auth is not None:
            headers["authorization"] = f"{call.webhook_auth['authKey']} {call.webhook_auth['authSecret']}"
        for retry in range(scenario.webhook_retries + 1):
            if retry:
                await self._world.clock.sleep(2.0**retry)
            result: object
            try:
                result = await self._send(str(call.webhook_url), headers, body)
            except (OSError, TimeoutError) as error:
                result = type(error).__name__
            self._note(call, delivery, result)
            if isinstance(result, int) and 200 <= result < 300:
                return
            logger.warning("Webhook %s for call %s was not taken: %s", delivery.kind, call.id, result)

    def _note(self, call: Call, delivery: Delivery, result: object) -> None:
        call.webhooks.append(
            {
                "event": delivery.kind,
                "at": self._world.clock.now().isoformat(),
                "fault": delivery.fault,
                "result": result,
            }
        )


class NotLoopback(OSError):
    """An event was meant for another machine. The sandbox sends nothing there."""


async def post_to_loopback(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """Post `body` to a webhook on this machine.

    Returns:
        The status of the answer.

    Raises:
        NotLoopback: The URL names another host, or wants TLS, which nobody has on loopback. Nothing was sent.
        OSError: There was no connection, or no answer in HTTP.
        TimeoutError: There was no answer within `ANSWER_WITHIN_SECONDS`.
    """
    split = urlsplit(url)
    if split.hostname not in LOOPBACK_HOSTS or split.scheme != "http":
        logger.warning("Webhook not sent: the sandbox posts to http on loopback only, not to %s", split.hostname)
        raise NotLoopback(f"the sandbox posts to http on loopback only, not to {split.scheme}://{split.hostname}")
    target = (split.path or "/") + (f"?{split.query}" if split.query else "")
    lines = [f"POST {target} HTTP/1.1", f"host: {split.netloc}", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
        reader, writer = await asyncio.open_connection(split.hostname, split.port or 80)
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            await writer.drain()
            status_line = await reader.readline()
        finally:
            writer.close()
    try:
        return int(status_line.split()[1])
    except (IndexError, ValueError):
        raise ConnectionError("the webhook did not answer in HTTP") from None


def _happenings(call: Call, *, transcripts: bool) -> list[tuple[str, float]]:
    life = call.life
    happenings = []
    rang, answered = life.began(Phase.RINGING), life.began(Phase.TALKING)
    if rang is not None:
        happenings.append(("call.started", rang))
    if answered is not None:
        happenings.append(("call.answered", answered))
        if transcripts:
            happenings += [("transcription.update", answered), ("tool.executed", answered)]
    if life.ends_at != float("inf"):
        happenings.append(("call.ended", life.ends_at))
    return happenings
