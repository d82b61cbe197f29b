"""The Python client's watch: streams that break, resume, end, and are closed; and how it reads server-sent events."""

import json
import threading
import time

import pytest
from client_script import Script, answer, event, message, stream
from hypothesis import given
from hypothesis import strategies as st
from presence_world import SECONDS

from presence.client import PresenceRefused, PresenceUnavailable, Watch, streaming
from presence.client.server_events import events


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "FIRST_DELAY", 0.01)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("chunked", [True, False])
def test_pr43_a_watch_resumes_where_the_stream_broke(script: Script, chunked: bool) -> None:
    half = message(6, event("bob", sequence=6))
    script.answers = [
        stream(
            script, ": hello\n\n", message(5, event("alice"), event("bob"), snapshot=True), half[:40],
            chunked=chunked,
        ),
        answer(503, {}),
        stream(script, message(6, event("bob", "away", 6, 2)), "event: ended\ndata: {}\n\n", chunked=chunked),
        stream(script, message(9, removed=("alice",)), stay=True, chunked=chunked),
    ]  # fmt: skip
    views = []
    with script.client().watch(["alice", "bob"], detail=True) as watch:
        for said in watch:
            views.append({name: one.status for name, one in watch.view.items()})
            if said.as_of == 9:
                break
    assert views == [
        {"alice": "available", "bob": "available"},
        {"alice": "available", "bob": "away"},
        {"bob": "away"},
    ]
    assert [one.headers.get("Last-Event-ID") for one in script.asked] == [None, "5", "5", "6"]
    assert script.asked[0].query == {"clients": ["alice,bob"], "detail": ["true"]}


@pytest.mark.usefixtures("quick")
def test_pr41_a_snapshot_in_parts_counts_when_it_is_whole(script: Script) -> None:
    part = json.dumps({"as_of": 0, "snapshot": True, "more": True, "clients": [event("old")], "removed": []})
    script.answers = [
        stream(script, f"event: presence\ndata: {part}\n\n"),
        stream(
            script,
            f"event: presence\ndata: {part.replace('old', 'alice')}\n\n",
            message(5, event("bob")),
            stay=True,
        ),
    ]
    with script.client().watch() as watch:
        for said in watch:
            if not said.more:
                break
        assert (sorted(watch.view), watch.cursor) == (["alice", "bob"], 5)
    assert "Last-Event-ID" not in script.asked[1].headers


def test_a_watch_that_is_closed_by_another_thread_ends_at_once(script: Script) -> None:
    script.answers = [stream(script, message(1, event("alice"), snapshot=True), stay=True)]
    watch, said = script.client().watch(), threading.Event()

    def read() -> None:
        for _ in watch:
            said.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert said.wait(SECONDS)
    started = time.monotonic()
    watch.close()
    reader.join(SECONDS)
    assert not reader.is_alive()
    assert time.monotonic() - started < SECONDS / 2


def test_pr47_a_watch_whose_token_has_ended_says_so(script: Script) -> None:
    script.answers = [
        stream(script, message(1, snapshot=True), 'event: ended\ndata: {"code": 20104}\n\n'),
        answer(401, {"code": 20104, "message": "the token has expired"}),
    ]
    with pytest.raises(PresenceRefused, match="expired"):
        list(script.client().watch())


@pytest.mark.usefixtures("quick")
def test_a_watch_loses_patience(script: Script) -> None:
    script.answers = [answer(503, {})]
    with pytest.raises(PresenceUnavailable, match="503"):
        list(script.client().watch(patience=0.1))
    assert len(script.asked) > 1


def test_a_watch_closed_before_it_starts_asks_nothing(script: Script) -> None:
    watch: Watch = script.client().watch()
    watch.close()
    assert list(watch) == []
    assert script.asked == []


TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))


@given(st.lists(st.tuples(st.sampled_from(["presence", "ended"]), st.lists(TEXT, min_size=1, max_size=3))))
def test_server_events_are_read_back(said: list[tuple[str, list[str]]]) -> None:
    lines = []
    for name, data in said:
        lines += [": keep-alive", "", f"event: {name}", *(f"data: {line}" for line in data), "id: 1", ""]
    read = [(one.name, one.data.split("\n")) for one in events(line.encode() for line in lines)]
    assert read == said
