"""The presence API is what its description says: the same routes, and over real HTTP no other status and shape.

The requests are made up from the description by schemathesis, right ones and wrong ones. A few of each by default, many
with `-m slow`.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from presence_asking import Stores, token
from presence_world import MASTER, SECONDS, Tenant, World
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from foundation.keys import Keys
from foundation.settings import Settings
from foundation.webserver.service import service_token
from presence.access.callers import Kind
from presence.api.description import document
from presence.api.description.operations import EVENTS, OPERATIONS, Operation
from presence.app import create_app

BESIDE_FLASK = {
    "GET /v1/Accounts/{account_sid}/PresenceStream",
    "GET /v1/Accounts/{account_sid}/Clients/{client}/MessageStream",
}
"""Served by ASGI apps of their own."""
ASKED = [one for group in OPERATIONS.values() for one in group if one.who and one.media != EVENTS]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
FEW, MANY = 2, 60


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One whose webhooks stay on this machine. In a process of its own: hypothesis minds threads that use `random`."""
    running = World(tmp_path_factory.mktemp("described"), outbound_allow=("127.0.0.0/8",)).spawn()
    yield running
    running.close()


@cache
def schema() -> Any:
    return schemathesis.openapi.from_dict(smaller(document()))


def smaller(part: Any) -> Any:
    """The same, but for lists that need not be long: the limits have tests of their own."""
    if isinstance(part, list):
        return [smaller(one) for one in part]
    if not isinstance(part, dict):
        return part
    shrunk = {name: smaller(one) for name, one in part.items()}
    if part.get("type") == "array" and "$ref" not in part["items"] and part.get("maxItems", 0) > 3:
        shrunk["maxItems"] = 3
    return shrunk


def test_every_route_is_described_and_nothing_else(tmp_path: Path) -> None:
    stores = Stores(f"sqlite:///{tmp_path}/presence.sqlite3")
    keys = Keys([MASTER])
    app = create_app(Settings(), keys, stores.store, stores.directory, None)  # type: ignore[arg-type]
    stores.database.close()
    served = {
        f"{method} {rule.rule.translate(str.maketrans('<>', '{}'))}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {one.id for group in OPERATIONS.values() for one in group}
    assert served | BESIDE_FLASK == described


def test_the_description_is_served_to_anybody(world: World) -> None:
    answer = requests.get(f"{world.settings.presence_base()}/v1/openapi.json", timeout=SECONDS)
    assert (answer.status_code, answer.json()) == (200, document())


class Known:
    """A tenant of its own for each operation, because some of them end everything."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant, self.account = tenant, tenant.account
        self.base = f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}"
        self.owner = requests.auth._basic_auth_str(tenant.account, tenant.auth_token)  # type: ignore[attr-defined]
        self.registration = tenant.register("alice", status="away").json()["sid"]
        self.make("Statuses", name="lunch", available=False, rank=7)
        self.make("ContactLists", name="team", clients=["alice"])
        hook = self.make("Subscriptions", url="http://127.0.0.1:1025/presence", everyone=True)
        self.subscription = hook["sid"]
        requests.put(
            f"{self.base}/Destinations/desk",
            json={"targets": [{"client": "alice"}]},
            headers={"Authorization": self.owner},
            timeout=SECONDS,
        ).raise_for_status()

    def make(self, what: str, **body: Any) -> Any:
        headers = {"Authorization": self.owner}
        answer = requests.post(f"{self.base}/{what}", json=body, headers=headers, timeout=SECONDS)
        answer.raise_for_status()
        return answer.json()

    def path(self, operation: Operation) -> dict[str, str]:
        """What is there, for the placeholders of the operation's address."""
        names = {"Statuses": "lunch", "ContactLists": "team", "Destinations": "desk", "Reach": "desk"}
        known = {
            "account_sid": self.account,
            "client": "alice",
            "sid": self.registration,
            "key_sid": self.tenant.key,
            "subscription_sid": self.subscription,
            "call_sid": "CA" + "0" * 32,
            "message_sid": "SM" + "0" * 32,
            "name": next((name for part, name in names.items() if f"/{part}/" in operation.path), ""),
        }
        return {name: known[name] for name in re.findall(r"\{(\w+)\}", operation.path)}

    def authorization(self, kind: Kind) -> str:
        if kind is Kind.CLIENT:
            return f"Bearer {token(self.tenant, 'alice', *ALL_PERMISSIONS)}"
        service = f"Bearer {service_token(Keys([MASTER]), 'presence', 'tests')}"
        return self.owner if kind is Kind.ACCOUNT else service


ALL_PERMISSIONS = [
    "presence:publish",
    "presence:read:account",
    "presence:read:detail",
    "events:subscribe",
    "messages:send",
]


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("operation", ASKED, ids=[one.id for one in ASKED])
def test_every_answer_is_as_described(tenant: Tenant, operation: Operation, mode: Any, examples: int) -> None:
    """By whoever may ask it; right requests for what is there, wrong ones for anything."""
    known = Known(tenant)
    base = tenant.world.settings.presence_base()
    callers = [known.authorization(kind) for kind in operation.who]
    asked = schema()[operation.path][operation.method.lower()]

    @given(case=asked.as_strategy(mode))
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        ours = known.path(operation)
        if mode is GenerationMode.POSITIVE:
            case.path_parameters = ours
        else:
            case.path_parameters["account_sid"] = known.account
        for caller in callers:
            case.headers["Authorization"] = caller
            answer = case.call(base_url=base, timeout=SECONDS)
            case.validate_response(answer, checks=CHECKS)

    ask()


def test_a_stranger_gets_401_as_described(tenant: Tenant) -> None:
    """PR-4: also where nothing is there."""
    known = Known(tenant)
    for operation in ASKED:
        path = operation.path.format(**known.path(operation))
        answer = requests.request(
            operation.method, tenant.world.settings.presence_base() + path, json={}, timeout=SECONDS
        )
        assert (answer.status_code, set(answer.json())) == (401, {"code", "message", "more_info", "status"})


def test_pr42_what_a_stream_says_is_as_described(tenant: Tenant) -> None:
    """The snapshot and a change, with devices and without."""
    described = {"$ref": "#/components/schemas/StreamMessage", "components": document()["components"]}
    known = Known(tenant)
    for detail in ("true", "false"):
        with requests.get(
            f"{known.base}/PresenceStream",
            params={"detail": detail},
            headers={"Authorization": known.authorization(Kind.CLIENT)},
            stream=True,
            timeout=SECONDS,
        ) as answer:
            messages = (json.loads(line[5:]) for line in answer.iter_lines() if line.startswith(b"data:"))
            seen = [next(messages)]
            tenant.register("bob", note=f"with detail {detail}")
            seen.append(next(messages))
        for message in seen:
            jsonschema_rs.validate(described, message)
        assert [one["snapshot"] for one in seen] == [True, False]
        assert [("endpoints" in event) for one in seen for event in one["clients"]].count(
            detail == "true"
        ) >= 2
