"""The simulated carrier's messages: those that its phones send, and those that the router hands over for them."""

from __future__ import annotations

import asyncio
import math
import random
import re
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from callrouter.carriers.simulator.events import Tell
from callrouter.carriers.simulator.link import CallRefused, RouterLink, RouterUnreachable, Sent
from callrouter.carriers.simulator.script import Faults
from callrouter.carriers.simulator.texts import Line, Lot, Media, Text, TextScript

Answer = tuple[int, Mapping[str, Any]]
TextScripts = TextScript | Callable[[str, str], TextScript]

MAX_TEXTS = 100_000
"""Messages that a simulated carrier takes in its life: it knows each of them again."""
MUTE_SECONDS = 60.0
EARLY_SECONDS = 5.0
"""How long the answer to a hand-off waits for an early receipt to be taken."""
ROUNDS = 20
"""How often a receipt is given to the router, six seconds each time: a router that restarts gets it."""


class MessageDesk:
    """`script` and `faults` may be changed at any time. Hand-offs are idempotent by the message's id.

    `taken` are the messages taken from the router, in that order, each once; `handed` counts the hand-offs that were
    not refused, by id.
    """

    path = re.compile(r"(?:/[^/]*)*?/messages")

    def __init__(self, link: RouterLink, carrier: str, script: TextScripts, seed: int, tell: Tell) -> None:
        self.script = script
        self.faults = Faults()
        self.taken: list[Text] = []
        self.handed: Counter[str] = Counter()
        self.arrived: asyncio.Queue[Text] = asyncio.Queue(MAX_TEXTS)
        self._known: dict[str, Text] = {}
        self._link, self._path, self._tell = link, f"/carriers/{carrier}/messages", tell
        self._lots = random.Random(seed)  # noqa: S311 - chance, no secret
        self._pace = Pace()
        self._closed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, from_: str, to: str, body: str, media: Sequence[tuple[str, str]], id: str) -> Text:
        """A phone's message comes into the router. CallRefused or RouterUnreachable when the router doesn't take it."""
        pictures = tuple(Media(*each) for each in media)
        fields = {"id": id or f"sim-{uuid.uuid4().hex}", "from": from_, "to": to, "body": body}
        attached = {"media": [each._asdict() for each in pictures]}
        sent = await self._link.post(self._path, {**fields, **attached}, self.faults)
        sid = str(sent.answer.get("message_sid", ""))
        text = Text(id=fields["id"], message_sid=sid, from_=from_, to=to, body=body, media=pictures)
        self._tell(text, f"the router took the message: {sid}")
        return text

    async def report(self, message_sid: str, status: str, error_code: int | None, event_id: str) -> Sent:
        """One receipt. CallRefused or RouterUnreachable when the router doesn't take it."""
        event: dict[str, Any] = {"event_id": event_id, "status": status}
        if error_code is not None:
            event["error_code"] = error_code
        return await self._link.post(f"{self._path}/{message_sid}/events", event, self.faults)

    async def take(self, _place: re.Match[str], body: bytes) -> Answer:
        """A hand-off of the router. ValueError means 400."""
        text = Text.read(body)
        script = self.script if isinstance(self.script, TextScript) else self.script(text.from_, text.to)
        if script.line is Line.DOWN:
            return 503, {"message": "This carrier is down."}
        receipts = None
        if text.id not in self._known:  # nothing is awaited before it is known: two copies can't both be new
            lot = script.draw(self._lots)
            if refusal := self._refusal(script, lot):
                return refusal
            receipts = self._accept(text, lot, script)
        self.handed[text.id] += 1
        if receipts and script.early:
            await asyncio.wait([receipts], timeout=EARLY_SECONDS)
        silent = MUTE_SECONDS if script.line is Line.MUTE else script.answer_after
        if silent:
            await self._pause(silent)
        if script.line is Line.MUTE:
            return 504, {"message": "This carrier took the message and kept silent."}
        return 202, {"id": text.id, "status": "accepted"}

    async def close(self) -> None:
        """Forgets the receipts that are due, and lets open hand-offs go."""
        self._closed.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _refusal(self, script: TextScript, lot: Lot) -> Answer | None:
        if len(self.taken) >= MAX_TEXTS:
            return 503, {"message": f"A simulated carrier takes at most {MAX_TEXTS} messages."}
        if lot.refused:
            return 400, {"code": script.refusal, "final": script.final, "message": "Refused, as scripted."}
        wait = self._pace.wait(script.rate, asyncio.get_running_loop().time())
        if wait:
            return 429, {"message": "Too fast.", "retry_after": max(1, math.ceil(wait))}
        return None

    def _accept(self, text: Text, lot: Lot, script: TextScript) -> asyncio.Task[None]:
        text = replace(text, delivered=lot.delivered)
        self._known[text.id] = text
        self.taken.append(text)
        self.arrived.put_nowait(text)
        self._tell(text, f"the router sent {text.to}: {text.body!r:.60}")
        task = asyncio.create_task(self._receipts(text, script.receipts_of(lot), script))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _receipts(self, text: Text, receipts: list[Mapping[str, Any]], script: TextScript) -> None:
        if not script.early:
            await asyncio.sleep(script.receipt_after)
        await asyncio.sleep(self.faults.late)
        for number, fields in enumerate(receipts):
            for _ in range(1 + self.faults.duplicates):
                await self._receipt(text, {"event_id": f"{text.id}-{number}", **fields})

    async def _receipt(self, text: Text, event: Mapping[str, Any]) -> None:
        path = f"{self._path}/{text.id}/events"
        for _ in range(ROUNDS):
            try:
                await self._link.post(path, event, self.faults)
            except CallRefused as refused:
                return self._tell(text, f"the router did not take {event['status']}: {refused}")
            except RouterUnreachable as error:
                self._tell(text, str(error))
            else:
                return self._tell(text, f"told the router: {event['status']}")
        return None

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closed.wait(), seconds)
        except TimeoutError:
            return


class Pace:
    """So many in a second, and as many at once after a quiet second."""

    def __init__(self) -> None:
        self._used = 0.0
        self._at = 0.0

    def wait(self, rate: float | None, now: float) -> float:
        """0 when one more may pass, and it is counted; else the seconds until then."""
        if rate is None:
            return 0.0
        if rate <= 0:
            return 1.0
        self._used = max(0.0, self._used - (now - self._at) * rate)
        self._at = now
        if self._used + 1 > max(rate, 1.0):
            return (self._used + 1 - max(rate, 1.0)) / rate
        self._used += 1
        return 0.0
