"""The floor of `calls.py`: a process in the router's place that makes the same requests and writes the same rows, and
decides nothing. It parses no TwiML, keeps no state machine, signs no webhook and recovers no call.

HTTP goes out by `requests` on threads and comes in without Flask; rows are written by the same group commit.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from sqlalchemy import Connection, select

from callrouter.calls import decisions, store
from callrouter.models import Carrier, PhoneNumber
from callrouter.voice.client import VoiceClient
from callrouter.voice.settings import VOICE_PURPOSE
from foundation.db import Database, later
from foundation.keys import Keys, load_keys
from foundation.settings import Settings, address, load
from foundation.sids import CALL, new_sid
from foundation.webserver.bridge import Receive, Scope, Send
from foundation.webserver.serve import Listener, serve, stop_on_signals
from foundation.webserver.service import service_token

THREADS = 32
PAYLOAD = {"text": "x" * 380}
SNAPSHOT = "x" * 2_000
FORM = {f"Parameter{number}": "+14155550100" for number in range(12)}


class Floor:
    """An ASGI app: what a router does on the wire and on the disk."""

    def __init__(self, settings: Settings, database: Database, keys: Keys) -> None:
        self._database, self._keys = database, keys
        self._presence = settings.presence_base()
        self._threads = ThreadPoolExecutor(THREADS)
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.mount("http://", HTTPAdapter(pool_connections=4, pool_maxsize=THREADS))
        self._token = {"Authorization": f"Bearer {service_token(keys, 'presence', 'router')}"}
        self.voice = VoiceClient(address(settings.voice_control), keys.derive(VOICE_PURPOSE), self._ignore)
        self._numbers = itertools.count()
        self._calls: dict[str, dict[str, Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        with database.read() as connection:
            number = connection.execute(select(PhoneNumber.account_sid, PhoneNumber.voice_url)).one()
            self._account, self._app = number.account_sid, number.voice_url
            self._control = connection.execute(select(Carrier.control_url)).scalar_one()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        status, answer = await self._take(scope["path"], body + message.get("body", b""))
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _take(self, path: str, body: bytes) -> tuple[int, bytes]:
        if path == "/livez":
            return 200, b"{}"
        event = json.loads(body)
        if path == "/v1/client-events":
            call = self._calls.get(event["call_sid"])
            if call is None or event["type"] != "accepted":
                return 200, b"{}"
            await self._step(call, outbox=4, lines=2, moves=1, inbox=True)
            self._go(self._connected(call, event["sdp"]))
            return 200, b'{"result": "won"}'
        if path.endswith("/events"):
            call = self._calls[path.split("/")[4]]
            await self._step(call, outbox=4, lines=2, moves=2, inbox=True, ends=True)
            self._go(self._ended(call))
            return 200, b'{"status": "completed"}'
        call = {
            "sid": new_sid(CALL),
            "child": new_sid(CALL),
            "id": event["id"],
            "from": event["from"],
            "n": 0,
        }
        call |= {"position": 0, "outbox": 0, "sdp": event["media"]["sdp"], "order": asyncio.Lock()}
        call["ringing"] = asyncio.Event()
        self._calls[event["id"]] = self._calls[call["child"]] = call
        await self._step(call, outbox=1, lines=2, inbox=True)
        self._go(self._placed(call))
        return 201, json.dumps({"call_sid": call["sid"]}).encode()

    # -- a call

    async def _placed(self, call: dict[str, Any]) -> None:
        document = await self._post(self._app, data={**FORM, "From": call["from"]})
        url = re.findall(r'statusCallback="([^"]+)"', document)[0]
        call["url"], client = url, re.findall(r">(c\d+)</Client>", document)[0]
        await self._step(call, outbox=1, lines=2, delivery=True)
        made = await self.voice.request("leg.create", leg=call["sid"], kind="rtp", sdp=call["sdp"])
        command = {"id": call["sid"], "type": "answer", "sdp": made["sdp"]}
        await self._post(f"{self._control}/calls/{call['id']}/commands", json=command)
        await self._step(call, outbox=3, lines=2, moves=1, child=True)
        self._go(self._call_back(call, "initiated"))
        await self.voice.request("leg.play", leg=call["sid"], tone="ringback")
        account = f"{self._presence}/v1/Accounts/{self._account}"
        reach = json.loads(await self._presence_says("GET", f"{account}/Reach/{client}"))
        there = reach["targets"][0]
        offer = await self.voice.request("leg.create", leg=call["child"], kind="webrtc")
        invite = {
            "call_sid": call["child"],
            "client": client,
            "endpoints": [one["endpoint_id"] for one in there["endpoints"]],
            "sdp": offer["sdp"],
            "ring_token": self._keys.sign("ring", {"call": call["child"], "account": self._account}),
            "expires_at": time.time() + 20,
            "parameters": {"CallSid": call["child"], "AccountSid": self._account},
        }
        await self._presence_says("POST", f"{account}/Invites", invite)
        await self._step(call, outbox=1, lines=1, decided=self._decision(call, client, reach))
        await self._call_back(call, "ringing")
        call["ringing"].set()

    async def _connected(self, call: dict[str, Any], sdp: str) -> None:
        await self.voice.request("leg.accept", leg=call["child"], sdp=sdp)
        await self.voice.request("bridge.make", legs=[call["sid"], call["child"]])
        await self._strike(call, 2)
        await call["ringing"].wait()
        await self._call_back(call, "in-progress")

    async def _ended(self, call: dict[str, Any]) -> None:
        url = f"{self._presence}/v1/Accounts/{self._account}/Calls/{call['child']}/frames"
        await self._presence_says("POST", url, {"type": "hangup"})
        await self.voice.request("leg.close", leg=call["sid"])
        await self.voice.request("leg.close", leg=call["child"])
        await self._strike(call, 3)
        await self._call_back(call, "completed")
        del self._calls[call["id"]], self._calls[call["child"]]

    async def _call_back(self, call: dict[str, Any], status: str) -> None:
        async with call["order"]:
            await self._post(call["url"], data={**FORM, "CallStatus": status})
        row = self._delivery(call)

        def unit(connection: Connection) -> None:
            later(connection, store.DELETE_OUTBOX, [{"its_id": row["id"]}])
            later(connection, store.INSERT_DELIVERY, [row])

        await self._database.commit(unit, call["sid"])

    # -- the disk

    async def _step(
        self,
        call: dict[str, Any],
        *,
        outbox: int,
        lines: int,
        moves: int = 0,
        inbox: bool = False,
        child: bool = False,
        delivery: bool = False,
        ends: bool = False,
        decided: dict[str, Any] | None = None,
    ) -> None:
        """The rows of one step: a snapshot, things to send, timeline entries, moved calls, and the rest."""
        now, sid, keys = time.time(), call["sid"], {"account_sid": self._account, "call_sid": call["sid"]}
        version, call["n"] = call["n"], call["n"] + 1
        entries = [
            {**keys, "id": f"{sid}.{position}", "lane": "leg", "position": position, "kind": "k", "payload": PAYLOAD}
            | {"attempts": 0, "due_at": now, "owner": "floor", "created_at": now}
            for position in range(call["outbox"], call["outbox"] + outbox)
        ]  # fmt: skip
        ladder = [
            {**keys, "position": position, "at": now, "source": "a", "target": "b", "summary": "s", "detail": PAYLOAD}
            for position in range(call["position"], call["position"] + lines)
        ]  # fmt: skip
        call["outbox"] += outbox
        call["position"] += lines
        mine = {"its_account": self._account, "its_call": sid}
        guard = {**mine, "its_version": version, "its_epoch": 1, "its_owner": "floor"}
        moved = {"status": "in-progress", "date_updated": now, "start_time": now, "end_time": None}
        row = self._delivery(call) if delivery else None

        def unit(connection: Connection) -> None:
            if inbox:
                key = {"source": "floor", "event_id": f"{sid} {version}"}
                connection.execute(store.FIND_INBOX, key).scalar()
                later(connection, store.INSERT_INBOX, [{**key, **keys, "received_at": now}])
            if version == 0:
                later(connection, store.INSERT_PARENT, [_call(keys, sid, call, now)])
                session = {**keys, "snapshot": SNAPSHOT, "version": 1, "owner": "floor", "epoch": 1}
                later(connection, store.INSERT_SESSION, [{**session, "date_updated": now}])
                later(connection, store.INSERT_TIMER, [{**keys, "name": "limit", "due_at": now}])
            elif ends:
                later(connection, store.DELETE_SESSION, [guard])
                later(connection, store.DELETE_TIMERS, [mine])
            else:
                saved = {"snapshot": SNAPSHOT, "version": version + 1, "date_updated": now}
                later(connection, store.UPDATE_SESSION, [{**guard, **saved}])
                later(connection, store.DELETE_OUTBOX, [{"its_id": f"{sid}.{version}"}])
            if child:
                later(connection, store.INSERT_CALL, [_call(keys, call["child"], call, now)])
            move = {**moved, **mine, "ended_because": None}
            later(connection, store.UPDATE_CALL, [move] * moves)
            later(connection, store.INSERT_OUTBOX, entries)
            later(connection, store.INSERT_LINE, ladder)
            if row:
                later(connection, store.INSERT_DELIVERY, [row])
            if decided:  # what `decisions.keep` writes
                replaced = {"its_account": decided["account_sid"], "its_call": decided["call_sid"]}
                later(connection, decisions.REPLACE, [replaced])
                later(connection, decisions.INSERT, [decided])

        await self._database.commit(unit, sid)

    async def _strike(self, call: dict[str, Any], count: int) -> None:
        rows = [{"its_id": f"{call['sid']}.{call['outbox'] - one}"} for one in range(count)]
        await self._database.commit(
            lambda connection: later(connection, store.DELETE_OUTBOX, rows), call["sid"]
        )

    def _decision(self, call: dict[str, Any], client: str, reach: dict[str, Any]) -> dict[str, Any]:
        there = reach["targets"][0]
        endpoints = [one["endpoint_id"] for one in there["endpoints"]]
        return {
            "account_sid": self._account,
            "call_sid": call["child"],
            "attempt": 0,
            "at": time.time(),
            "name": client,
            "as_of": reach["as_of"],
            "snapshot": reach,
            "mode": "all",
            "outcome": "ring",
            "chosen_account": self._account,
            "chosen_client": client,
            "presence_version": there["version"],
            "waves": [endpoints],
            "skipped": [],
            "rung": endpoints,
            "refused": {},
        }

    def _delivery(self, call: dict[str, Any]) -> dict[str, Any]:
        return {
            "account_sid": self._account,
            "id": f"{call['sid']}.{next(self._numbers)}",
            "call_sid": call["sid"],
            "kind": "document",
            "at": time.time(),
            "method": "POST",
            "url": self._app,
            "parameters": FORM,
            "attempt": 1,
            "response_status": 200,
            "content_type": "text/xml",
            "response_body": "",
            "error_code": None,
            "duration_ms": 1,
        }

    # -- the wire

    async def _post(self, url: str, **body: Any) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._send, "POST", url, body)

    async def _presence_says(self, method: str, url: str, body: Any = None) -> str:
        fields = {"json": body, "headers": self._token}
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._send, method, url, fields
        )

    def _send(self, method: str, url: str, fields: dict[str, Any]) -> str:
        response = self._http.request(method, url, timeout=5, **fields)
        response.raise_for_status()
        return response.text

    def _go(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _ignore(_event: object) -> None: ...


def _call(keys: dict[str, Any], sid: str, call: dict[str, Any], now: float) -> dict[str, Any]:
    own = sid == call["sid"]
    return {
        "account_sid": keys["account_sid"],
        "sid": sid,
        "parent_call_sid": None if own else call["sid"],
        "leg": "" if own else "dial",
        "direction": "inbound",
        "from": call["from"],
        "to": call["from"],
        "status": "ringing",
        "carrier": "floor" if own else None,
        "carrier_call_id": sid if own else None,
        "identity": None,
        "date_created": now,
        "date_updated": now,
    }


async def main() -> None:
    """Serves on the router's address until SIGTERM."""
    settings = load()
    database = Database(settings.database_url("router"))
    floor = Floor(settings, database, load_keys(settings))
    await floor.voice.start()
    await serve(floor, [Listener(bind=settings.router_bind)], stop_on_signals())
    await floor.voice.close()
    database.close()


if __name__ == "__main__":
    asyncio.run(main())
