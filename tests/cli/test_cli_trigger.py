"""`callrouter trigger` when its router goes away; with one that runs: scenarios/test_scenario_command_line.py."""

import json
from collections.abc import Iterator

import pytest
from cli_world import Run, invoke

from callrouter.cli import trigger
from callrouter.scenario.ports import free_port
from tests.support.fake_router import FakeRouter


@pytest.fixture
def router(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRouter]:
    """It takes the call and never answers it; and it holds no lease, as one that has stopped."""
    where = f"http://127.0.0.1:{free_port()}/simulator"
    made = FakeRouter(run("carrier", "create", "simulator", "--control-url", where)["secret"])
    monkeypatch.setenv("CALLROUTER_ROUTER_URL", made.url)
    yield made
    made.close()


def test_a_call_whose_router_stopped_ends_in_words(
    router: FakeRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bounded time, though nobody tells the caller of an end and it never gives up."""
    monkeypatch.setattr(trigger, "AWAY_SECONDS", 0.2)
    asked = ("trigger", "incoming-call", "--to", "+14155550199", "--give-up-after", "3600", "--json")
    result = invoke(*asked)
    assert result.exit_code == 4, result.output
    last = json.loads(result.stdout.splitlines()[-1])["text"]
    assert "the router stopped while the call lived" in last
    assert "callrouter calls show CA1" in last
    assert "`callrouter up` starts it" in last
    assert [path for path, _ in router.received] == ["/carriers/simulator/calls"]
