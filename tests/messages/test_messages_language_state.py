"""The state of an inbound message's session: how it is stored, and what no events can do to it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages_talk import APP, FALLBACK, Talk, replies

from instructions.errors import SnapshotError
from instructions.messaging import (
    MAX_DOCUMENTS,
    MAX_REPLIES,
    DocumentFailed,
    DocumentFetched,
    Event,
    Fetch,
    Finish,
    Sent,
    Started,
    State,
    advance,
    dumps,
    loads,
    new_session,
)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"schema":2,"state":{}}',
        '{"schema":1,"state":{"origin":{"url":1}}}',
        "\ud800",
    ],
)
def test_what_is_no_state_is_refused(stored: str) -> None:
    with pytest.raises(SnapshotError):
        loads(stored)


def test_a_state_is_small() -> None:
    talk = Talk()
    talk.start()
    assert len(dumps(talk.state)) < 1000
    assert json.loads(dumps(talk.state))["schema"] == 1


DOCUMENTS = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(str.encode),
    st.lists(
        st.sampled_from(
            [
                "<Message>hi</Message>",
                "<Message action='a'>hi</Message>",
                "<Message to='?'>hi</Message>",
                "<Message><Body>x</Body><Media>m.png</Media></Message>",
                "<Redirect>r</Redirect>",
                "<Redirect>ftp://r</Redirect>",
                "<Sms>x</Sms>",
                "<Say>x</Say>",
                "text",
            ]
        ),
        max_size=15,
    ).map(lambda verbs: f"<Response>{''.join(verbs)}</Response>".encode()),
)
NAMES = st.integers(0, 60).map(lambda number: f"fetch-{number}")
EVENTS = st.one_of(
    st.just(Started()),
    st.builds(
        DocumentFetched,
        fetch=NAMES,
        body=DOCUMENTS,
        content_type=st.sampled_from(["text/xml", "text/plain", "image/png", "", None]),
        url=st.sampled_from([APP, "https://other.test/", "http://[::1", ""]),
    ),
    st.builds(DocumentFailed, fetch=NAMES, code=st.just(11200), reason=st.text(max_size=5), url=st.just(APP)),
    st.builds(Sent, reply=st.integers(0, 12), sid=st.just("SM2"), status=st.just("queued")),
)


@given(st.lists(st.tuples(EVENTS, st.booleans()), max_size=40), st.booleans())
def test_any_events_in_any_order(events: list[tuple[Event, bool]], fallback: bool) -> None:
    """It never raises, ends once, says nothing after the end, and keeps its bounds."""
    talk = Talk(fallback_url=FALLBACK if fallback else "")
    talk.start()
    for event, meant in events:
        if meant and isinstance(event, DocumentFetched | DocumentFailed) and talk.state.request:
            event = replace(event, fetch=talk.state.request.fetch)
        over = talk.state.finished
        told = talk.tell(event)
        assert not (over and told)
    ends = [command for command in talk.commands if isinstance(command, Finish)]
    assert len(ends) == (talk.state.finished is not None)
    assert [each.index for each in replies(talk.commands)] == list(range(len(replies(talk.commands))))
    assert len(replies(talk.commands)) <= MAX_REPLIES
    assert sum(isinstance(command, Fetch) for command in talk.commands) <= MAX_DOCUMENTS


@given(DOCUMENTS)
def test_the_same_state_and_event_give_the_same(body: bytes) -> None:
    state, _ = advance(new_session(url=APP), Started())
    event = DocumentFetched(fetch="fetch-1", body=body, content_type="text/xml", url=APP)
    assert advance(state, event) == advance(State(**vars(state)), event)
