"""The commands that ask the presence server, against a real one (PR-80)."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from presence_world import MASTER, SECONDS, Tenant, World, sid

from callrouter.cli import main

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str, dict[str, str]]]:
    """A presence server, a router's database with one account, and the environment of an operator."""
    world = World(tmp_path_factory.mktemp("cli")).start()
    env = {name: "" for name in os.environ if name.startswith("CALLROUTER_")} | {
        "CALLROUTER_DATA_DIR": str(world.settings.data_dir),
        "CALLROUTER_SECRET_KEYS": MASTER,
        "CALLROUTER_PRESENCE_BIND": world.settings.presence_bind,
    }
    assert CliRunner(env=env).invoke(main, ["db", "upgrade"]).exit_code == 0
    made = CliRunner(env=env).invoke(main, ["account", "create", "Acme", "--json"])
    yield world, json.loads(made.stdout)["account_sid"], env
    world.close()


@pytest.fixture
def acme(installed: tuple[World, str, dict[str, str]]) -> Tenant:
    world, account_sid, _ = installed
    tenant = world.tenant()
    tenant.account, tenant.key = account_sid, sid("SK")
    world.client.put_account(account_sid, "active", [tenant.auth_token], 1)
    world.client.put_key(account_sid, tenant.key, tenant.secret, 1)
    return tenant


@pytest.fixture
def run(installed: tuple[World, str, dict[str, str]]) -> Run:
    """What a command printed as JSON; as text, when `text`; its complaint, when it is to fail."""

    def run(*command: str, text: bool = False, fails: int = 0) -> Any:
        result = CliRunner(env=installed[2]).invoke(main, [*command, *([] if text else ["--json"])])
        assert result.exit_code == fails, result.output
        return result.stderr if fails else result.stdout if text else json.loads(result.stdout)

    return run


def test_pr80_who_is_there_and_why_a_client_would_ring(acme: Tenant, run: Run) -> None:
    acme.register("ann", endpoint_id="desk", priority=5)
    acme.register("ann", endpoint_id="mobile", status="away", note="\x1b[31mlunch")
    acme.register("bob", status="dnd")
    assert [(one["client"], one["status"], one["devices"]) for one in run("presence", "list")] == [
        ("ann", "available", 2),
        ("bob", "dnd", 1),
    ]
    assert [one["client"] for one in run("presence", "list", "--status", "dnd")] == ["bob"]
    assert [one["client"] for one in run("presence", "list", "--prefix", "a")] == ["ann"]
    shown = run("presence", "show", "ann")
    assert (shown["call"], shown["shared"]) == ("ring", False)
    rings = {one["endpoint_id"]: one["rings"] for one in shown["devices"]}
    assert rings == {"desk": "yes", "mobile": "away"}
    told = run("presence", "show", "ann", text=True)
    assert "a call now: ring" in told
    assert "\x1b" not in told
    assert "not-available" in run("presence", "show", "bob", text=True)
    assert "not-registered" in run("presence", "show", "nobody", text=True)
    assert "several" in run("presence", "list", "--prefix", "a", "--list", "b", fails=2)


def test_pr33_contact_lists(acme: Tenant, run: Run) -> None:
    acme.register("ann")
    assert run("contacts", "create", "sales", "ann", "zoe")["name"] == "sales"
    assert run("contacts", "add", "sales", "max") == {"list": "sales", "added": ["max"]}
    assert run("contacts", "remove", "sales", "zoe")["removed"] == ["zoe"]
    assert run("contacts", "show", "sales") == [{"client": "ann"}, {"client": "max"}]
    found = run("presence", "list", "--list", "sales")
    assert [(one["client"], one["status"]) for one in found] == [("ann", "available"), ("max", "offline")]
    assert run("contacts", "rename", "sales", "shop")["name"] == "shop"
    assert [one["name"] for one in run("contacts", "list")] == ["shop"]
    assert run("contacts", "delete", "shop") == {"deleted": "shop"}
    assert run("contacts", "show", "shop", fails=1).startswith("Error: ")


def test_pr61_destinations(acme: Tenant, run: Run) -> None:
    other = acme.world.tenant()
    acme.register("leo")
    made = run("destination", "set", "front", "kim", "leo", f"{other.account}/zoe")
    expected = [(acme.account, "kim"), (acme.account, "leo"), (other.account, "zoe")]
    assert [(one["account_sid"], one["client"]) for one in made["targets"]] == expected
    assert run("destination", "show", "front") == made
    assert f"kim, leo, {other.account}/zoe" in run("destination", "list", text=True)
    shown = run("presence", "show", "front")
    assert (shown["shared"], shown["call"]) == (True, "ring")
    assert [(one["client"], one["rings"]) for one in shown["devices"]] == [("leo", "yes")]
    assert run("destination", "delete", "front") == {"deleted": "front"}
    assert "Error: " in run("destination", "show", "front", fails=1)


def test_pr21_statuses(acme: Tenant, run: Run) -> None:
    made = run("status", "create", "lunch", "--not-available", "--rank", "150", "--messages")
    assert (made["available"], made["voice"], made["messages"], made["rank"]) == (False, False, True, 150)
    acme.register("eve", endpoint_id="desk", status="lunch")
    assert {one["name"] for one in run("status", "list")} >= {"available", "dnd", "lunch"}
    assert "lunch" in run("status", "delete", "lunch", fails=1), "somebody has it"
    acme.register("eve", endpoint_id="desk", status="available")
    assert run("status", "delete", "lunch") == {"deleted": "lunch"}
    assert "Error: " in run("status", "create", "away", "--available", "--rank", "1", fails=1)


@pytest.fixture
def watching(installed: tuple[World, str, dict[str, str]]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `callrouter presence watch`."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "callrouter", "presence", "watch", *options]
        env = os.environ | installed[2]
        started.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(SECONDS)
        assert process.stdout is not None
        process.stdout.close()


def test_pr80_watching_for_programs_until_ctrl_c(acme: Tenant, watching: Any) -> None:
    process = watching("--client", "sam", "--client", "tom", "--json")
    first = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert [(one["client"], one["status"]) for one in first] == [("sam", "offline"), ("tom", "offline")]
    acme.register("tom")
    changed = json.loads(process.stdout.readline())
    assert (changed["client"], changed["status"]) == ("tom", "available")
    process.send_signal(signal.SIGINT)
    assert process.wait(SECONDS) == 0


def test_pr80_watching_for_people(acme: Tenant, run: Run, watching: Any) -> None:
    run("contacts", "create", "desk", "ida")
    process = watching("--list", "desk")
    assert process.stdout.readline().split()[-2:] == ["ida", "offline"]
    acme.register("ida", note="\x1b[2J")
    assert process.stdout.readline().split()[1:] == ["ida", "offline", "→", "available", "voice", "\\x1b[2J"]
    run("contacts", "remove", "desk", "ida")
    assert process.stdout.readline() == "ida  no longer in view\n"


def test_a_server_that_is_away_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLROUTER_PRESENCE_URL", "http://127.0.0.1:9")
    for command in (("list",), ("show", "ann"), ("watch",)):
        complaint = run("presence", *command, fails=1)
        assert complaint.startswith("Error: the presence server did not answer")
        assert "http://127.0.0.1:9" in complaint
        assert complaint.count("\n") == 1
