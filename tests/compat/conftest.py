"""The API on a real server, and Twilio's own Python library as the client that judges it."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import twilio_contract
from flask import Flask
from recorded_audio import RecordedAudio
from sqlalchemy import insert
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from callrouter.api.blueprint import create_api
from callrouter.calls.outgoing import Placement, outgoing_call
from callrouter.calls.store import call_row
from callrouter.directory import accounts, credentials, keys
from callrouter.media.client import MediaAnswer, MediaClient
from callrouter.messages.front import Messages
from callrouter.models import Call
from foundation.clock import utc_now
from foundation.db import Database
from foundation.keys import Keys
from foundation.sids import ACCOUNT, API_KEY, new_sid
from foundation.webserver.application import Application
from foundation.webserver.bridge import WsgiBridge
from foundation.webserver.errors import ApiError, handle_errors
from foundation.webserver.serve import Listener, serve
from tests.support import tables

SECONDS = 10


@dataclass
class RecordedCalls(RecordedAudio):
    """An engine that notes what it is asked for; calls in `dead` have ended meanwhile."""

    database: Database
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def place(self, placement: Placement) -> str:
        """Notes it, and stores the row that the engine would."""
        now = utc_now().timestamp()
        session = outgoing_call(placement, now)
        self._note("place", placement.account_sid, session.call_sid, placement)
        row = call_row(session, now, phone_number_sid=placement.phone_number_sid)
        self.database.write(lambda c: c.execute(insert(Call).values(row))).result(SECONDS)
        return session.call_sid

    def end(self, account_sid: str, call_sid: str, status: str) -> None:
        self._note("end", account_sid, call_sid, status)

    def replace(self, account_sid: str, call_sid: str, **document: Any) -> None:
        self._note("replace", account_sid, call_sid, document)

    def settle(self, account_sid: str, work: Any) -> Any:
        """Stores it as the engine would; what calls are told is noted."""
        now = utc_now().timestamp()
        result, rows = self.database.write(lambda c: work(c, account_sid, "compat", now)).result(SECONDS)
        self.asked.extend(("tell", account_sid, row["call_sid"], row) for row in rows)
        return result

    def adjust(self, account_sid: str, call_sid: str, **changes: Any) -> None:
        self._note("adjust", account_sid, call_sid, changes)

    def _note(self, what: str, account_sid: str, call_sid: str, how: Any) -> None:
        if call_sid in self.dead:
            raise ApiError(400, 21220, "The call is not in progress.")
        self.asked.append((what, account_sid, call_sid, how))


class RecordedMedia(MediaClient):
    """A media service whose only files are these, of messages; whatever else is asked for, nobody answers."""

    def __init__(self, base_url: str, keys: Keys) -> None:
        super().__init__(base_url, keys)
        self.files: dict[str, tuple[str, bytes]] = {}

    def attachment(self, method: str, account_sid: str, sid: str, headers: Any = None) -> MediaAnswer:
        found = self.files.pop(sid, None) if method == "DELETE" else self.files.get(sid)
        content_type, body = found or ("", b"")
        status = 204 if method == "DELETE" else 200 if found else 404
        return MediaAnswer(status=status, headers={"Content-Type": content_type}, body=body)


class Standing:
    """A router that carries nothing out: its messages are stored, and wait."""

    owner = "compat"

    def now(self) -> float:
        return utc_now().timestamp()

    def carry_out(self, rows: Any) -> None:
        """Nobody does."""

    async def persist(self, unit: Callable[[Any], Any], key: str) -> Any:
        raise AssertionError("nothing is carried out, so nothing comes of it")


class CheckedHttpClient(TwilioHttpClient):
    """Twilio's transport, which holds every answer against Twilio's published contract."""

    def __init__(self) -> None:
        super().__init__(timeout=SECONDS)
        self.requests: list[str] = []

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        response = super().request(method, url, *args, **options)
        self.requests.append(f"{method} {url}")
        path = urlsplit(url).path
        if twilio_contract.present() and path.startswith("/2010-04-01/"):  # of v1 we have no description
            wrong = twilio_contract.faults(method, path, response.status_code, response.text)
            assert not wrong, f"{method} {url}: {wrong}"
        return response


@dataclass
class Deployment:
    """The server under test, and what a test needs to fill its database."""

    url: str
    database: Database
    keys: Keys
    live: RecordedCalls
    media: RecordedMedia
    app: Flask

    def write(self, work: Callable[[Any], Any]) -> Any:
        return self.database.write(work).result(SECONDS)

    def account(self, owner: str | None = None, name: str = "Acme") -> tuple[str, str]:
        """A new account's SID and auth token."""
        sid, token = new_sid(ACCOUNT), credentials.new_secret()
        sealed = credentials.seal(self.keys, token)
        now = utc_now().timestamp()
        self.write(
            lambda c: accounts.create(c, sid=sid, friendly_name=name, credential=sealed, now=now, owner=owner)
        )
        return sid, token

    def key(self, account_sid: str, *, main: bool = False) -> tuple[str, str]:
        sid, secret = new_sid(API_KEY), credentials.new_secret()
        sealed = credentials.seal(self.keys, secret)
        self.write(
            lambda c: keys.create(c, account_sid=account_sid, sid=sid, credential=sealed, now=1.0, main=main)
        )
        return sid, secret

    def client(self, username: str, password: str, account_sid: str | None = None) -> Client:
        client = Client(username, password, account_sid, http_client=CheckedHttpClient())
        client.api.base_url = client.messaging.base_url = self.url
        return client


class _OpenPort(Listener):
    """Tells which port it got."""

    def __init__(self, port: "asyncio.Future[int]") -> None:
        super().__init__(bind="127.0.0.1:0")
        object.__setattr__(self, "port", port)

    def open(self) -> socket.socket:
        opened = super().open()
        opened.listen(64)  # so that a client may come before the server does
        self.port.set_result(opened.getsockname()[1])  # type: ignore[attr-defined]
        return opened


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The router's tables, by its migrations, in both engines."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('compat') / 'router.sqlite3'}"
    else:
        url = request.getfixturevalue("postgresql").database()
    tables.make(url, "callrouter")
    database = Database(url, writers=3)
    yield database
    database.close()


@pytest.fixture(scope="session")
def deployment(database: Database) -> Iterator[Deployment]:
    keys, live = Keys(["k" * 32]), RecordedCalls(database)
    app = Application("compat")
    handle_errors(app)
    loop = asyncio.new_event_loop()
    media = RecordedMedia("http://127.0.0.1:9", keys)
    messages = Messages(Standing(), database, loop, {}, base_url="http://127.0.0.1:9")
    app.register_blueprint(create_api(database, keys, live, media, messages=messages))
    bridge = WsgiBridge(app, threads=4)
    port, stop = loop.create_future(), asyncio.Event()
    ready = threading.Event()
    port.add_done_callback(lambda _port: ready.set())
    serving = serve(bridge, [_OpenPort(port)], stop)
    thread = threading.Thread(target=lambda: loop.run_until_complete(serving), daemon=True)
    thread.start()
    assert ready.wait(SECONDS), "the server did not start"
    yield Deployment(f"http://127.0.0.1:{port.result()}", database, keys, live, media, app)
    loop.call_soon_threadsafe(stop.set)
    thread.join(SECONDS)
    loop.close()
    bridge.close()


@pytest.fixture
def account(deployment: Deployment) -> tuple[str, str]:
    return deployment.account()


@pytest.fixture
def client(deployment: Deployment, account: tuple[str, str]) -> Client:
    return deployment.client(*account)
