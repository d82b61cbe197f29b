"""The smallest page: what it hands out lets it look at a real presence server, and do nothing else."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from presence.client import AccountPresence, PresenceRefused
from tests.presence.presence_world import World

FOLDER = Path(__file__).parents[2] / "examples" / "who_is_there"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    running = World(tmp_path).start()
    yield running
    running.close()


@pytest.fixture
def page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("who_is_there", FOLDER / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_may_look_and_nothing_else(
    world: World, page: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = world.tenant()
    for name, value in {
        "ACCOUNT_SID": tenant.account,
        "API_KEY": tenant.key,
        "API_SECRET": tenant.secret,
        "PRESENCE_HOST": f"localhost:{world.settings.signal_bind.rpartition(':')[2]}",
    }.items():
        monkeypatch.setenv(name, value)
    tenant.register("ann", note="here")
    client = page.app.test_client()
    with client.get("/") as shown:
        assert b"presence.js" in shown.data
    given = client.get("/token").get_json()
    authority = str(world.settings.data_dir / "tls" / "ca.pem")
    with AccountPresence(
        f"https://{given['host']}", given["account"], given["token"], verify=authority
    ) as presence:
        with presence.watch() as watch:
            seen = next(iter(watch))
        assert [(one.client, one.note, one.endpoints) for one in seen.clients] == [("ann", "here", ())]
        with pytest.raises(PresenceRefused) as refused:
            presence.set_status("wallboard", "away")
        assert refused.value.status == 403
