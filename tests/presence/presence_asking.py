"""What tests of the presence API ask, as every kind of caller; and a store of its own for those that need no server."""

import hashlib
import time
from typing import Any
from uuid import uuid4

import jwt
import requests
from presence_world import APPLICATION, MASTER, SECONDS, Tenant
from sqlalchemy import create_engine, select

from foundation.db import Database
from foundation.keys import Keys
from foundation.webserver.service import service_token
from presence.access.directory import Directory
from presence.models import changes, metadata
from presence.reading.snapshots import Client, snapshot
from presence.registration import Consolidated, Endpoint, consolidate
from presence.store import Store
from tests.support import tables

A, B = "AC" + "a" * 32, "AC" + "b" * 32
KEY = "SK" + "a" * 32
NOW = 1_800_000_000.0


class Caller:
    """One who asks for an account: our own server, the account's server, or a client with these permissions."""

    def __init__(self, tenant: Tenant, **sent: Any) -> None:
        self._base = f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}"
        self._sent = sent

    def ask(self, method: str, path: str, body: Any = None, **params: Any) -> requests.Response:
        with requests.Session() as session:
            return session.request(
                method, self._base + path, json=body, params=params, timeout=SECONDS, **self._sent
            )

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of an answer that must be 200."""
        answer = self.ask("GET", path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def does(self, method: str, path: str, body: Any = None) -> tuple[int, int]:
        """Status, and the code of an error."""
        answer = self.ask(method, path, body)
        return answer.status_code, answer.json()["code"] if answer.status_code >= 400 else 0


def service(tenant: Tenant) -> Caller:
    return Caller(
        tenant, headers={"Authorization": f"Bearer {service_token(Keys([MASTER]), 'presence', 't')}"}
    )


def account(tenant: Tenant) -> Caller:
    return Caller(tenant, auth=(tenant.account, tenant.auth_token))


def client(
    tenant: Tenant, identity: str, *permissions: str, incoming: bool = True, life: int = 3600
) -> Caller:
    return Caller(
        tenant,
        headers={
            "Authorization": f"Bearer {token(tenant, identity, *permissions, incoming=incoming, life=life)}"
        },
    )


def token(tenant: Tenant, identity: str, *permissions: str, incoming: bool = True, life: int = 3600) -> str:
    now = int(time.time())
    voice = {"incoming": {"allow": incoming}, "outgoing": {"application_sid": APPLICATION}}
    return jwt.encode(
        {
            "jti": uuid4().hex,
            "iss": tenant.key,
            "sub": tenant.account,
            "iat": now,
            "exp": now + life,
            "grants": {
                "identity": identity,
                "voice": voice,
                "callrouter": {"permissions": list(permissions)},
            },
        },
        tenant.secret,
        headers={"cty": "twilio-fpa;v=1"},
    )


class Stores:
    """A database with two accounts."""

    def __init__(self, url: str) -> None:
        tables.make(url, "presence")
        self.database = Database(url)
        self.store = Store(self.database)
        self.directory = Directory(self.database, Keys(["k" * 40]), self.store)
        for account_sid in (A, B):
            self.directory.put_account(account_sid, "active", ["t" * 32], 1, NOW).result(SECONDS)
        self.directory.put_key(A, KEY, "s" * 32, 1).result(SECONDS)

    def register(self, client: str = "alice", endpoint_id: str = "e", now: float = NOW, **more: Any) -> Any:
        said = {name: more.pop(name, None) for name in ("status", "note", "based_on")}
        return self.store.register(device(client, endpoint_id, now, **more), now, **said).result(SECONDS)

    def sees(self, client: str, now: float = NOW, **view: Any) -> Consolidated:
        found = snapshot(self.database, A, [client], now).clients.get(client, Client())
        return consolidate(found.endpoints, now, **view)

    def version(self, client: str) -> int:
        return snapshot(self.database, A, [client], NOW).clients.get(client, Client()).version

    def log(self) -> list[tuple[str, str, str, bool]]:
        """Client, kind, list and whether watchers see it, in order; numbered without a gap."""
        with self.database.read() as connection:
            mine = select(changes).where(changes.c.account_sid == A).order_by(changes.c.sequence)
            found = connection.execute(mine).all()
        assert [row.sequence for row in found] == list(range(1, len(found) + 1))
        return [(row.client, row.kind, row.list, row.visible) for row in found]


def device(client: str = "alice", endpoint_id: str = "e", now: float = NOW, **more: Any) -> Endpoint:
    given = {
        "account_sid": A,
        "client": client,
        "endpoint_id": endpoint_id,
        "sid": "RG" + hashlib.md5(f"{client}{endpoint_id}".encode()).hexdigest(),
        "key_sid": KEY,
        "token_issued_at": now,
        "token_expires_at": now + 3600,
        "refreshed_at": now,
        "expires_at": now + 90,
        **more,
    }
    return Endpoint(**given)


def signed(tenant: Tenant, *, header: dict[str, Any] | None = None, key: str = "", **changes: Any) -> str:
    """A good token of alice, but for these claims; one that is None is left out."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "jti": uuid4().hex,
        "iss": tenant.key,
        "sub": tenant.account,
        "exp": now + 600,
        "grants": {"identity": "alice", "voice": {"incoming": {"allow": True}}},
        **changes,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key or tenant.secret, headers={"cty": "twilio-fpa;v=1", **(header or {})})


def grants(identity: object = "alice", **more: Any) -> dict[str, Any]:
    return {"identity": identity, "voice": {"incoming": {"allow": True}}, **more}


def dump(tenant: Tenant) -> str:
    """Everything that is stored of the account."""
    engine = create_engine(tenant.world.settings.database_url("presence"))
    with engine.connect() as connection:
        rows = [
            sorted(map(repr, connection.execute(select(table).where(table.c.account_sid == tenant.account))))
            for table in metadata.sorted_tables
            if "account_sid" in table.c
        ]
    engine.dispose()
    return repr(rows)
