"""Who takes a message and what each device gets of it: the pure rules (PR-72, PR-74)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.client_messages.text import Media, Text, audience, reason_against, shown
from presence.registration import Endpoint
from presence.statuses import BUILT_IN

NOW = 1_000.0
PICTURE = Media(url="https://example.com/cat.png", content_type="image/png")
TEXT = Text(
    account_sid="AC1",
    sid="SM1",
    client="alice",
    sender="+1",
    recipient="client:alice",
    body="hi",
    valid_until=NOW + 60,
    arrived_at=NOW,
)


def text(*media: Media, required: bool = False) -> Text:
    return Text(**{**vars(TEXT), "media": media, "media_required": required})


def device(*capabilities: str, status: str = "available", **more: Any) -> Endpoint:
    fields = {
        "account_sid": "AC1",
        "client": "alice",
        "endpoint_id": "desk",
        "sid": "RG1",
        "capabilities": capabilities,
        "token_expires_at": NOW + 100,
        "refreshed_at": NOW,
        "expires_at": NOW + 50,
    }
    return Endpoint(**{**fields, **more}).of_kind(BUILT_IN[status])


@pytest.mark.parametrize(
    ("endpoint", "plain", "picture", "required"),
    [
        (device("sms"), "", "", "no-media"),
        (device("mms"), "no-messages", "", ""),
        (device("sms", "mms"), "", "", ""),
        (device("voice"), "no-messages", "no-messages", "no-messages"),
        (device(), "no-messages", "no-messages", "no-messages"),
        (device("sms", incoming=False), "not-incoming", "not-incoming", "not-incoming"),
        (device("sms", expires_at=NOW), "expired", "expired", "expired"),
        (device("sms", "mms", busy_until=NOW + 9), "", "", ""),
        (device("sms", "mms", status="dnd"), "unavailable", "unavailable", "unavailable"),
    ],
)
def test_pr24_pr72_pr74_why_a_device_does_not_get_it(
    endpoint: Endpoint, plain: str, picture: str, required: str
) -> None:
    wanted = (text(), text(PICTURE), text(PICTURE, required=True))
    assert tuple(reason_against(one, endpoint, NOW) for one in wanted) == (plain, picture, required)


devices = st.lists(
    st.builds(
        lambda capabilities, status, incoming, ends, n: device(
            *sorted(capabilities),
            status=status,
            incoming=incoming,
            expires_at=NOW + ends,
            endpoint_id=f"d{n}",
        ),
        st.sets(st.sampled_from(["voice", "sms", "mms"])),
        st.sampled_from(["available", "away", "busy", "dnd"]),
        st.booleans(),
        st.integers(-5, 5),
        st.integers(0, 10**6),
    ),
    max_size=8,
    unique_by=lambda one: one.endpoint_id,
)
texts = st.builds(
    lambda media, required: text(*media, required=required),
    st.lists(st.just(PICTURE), max_size=3),
    st.booleans(),
)


@given(texts, devices)
def test_pr79_each_device_takes_it_or_has_a_reason(message: Text, known: list[Endpoint]) -> None:
    found = audience(message, known, NOW)
    assert sorted([*found.takers, *(one for one, _ in found.skipped)]) == sorted(
        one.endpoint_id for one in known
    )
    for one in known:
        if one.endpoint_id in found.takers:
            assert one.live(NOW)
            assert one.incoming
            assert {"sms", "mms"} & set(one.capabilities)
            if message.media and message.media_required:
                assert "mms" in one.capabilities
    assert not (found.lacks_media and found.takers)


@given(texts, st.sets(st.sampled_from(["voice", "sms", "mms"])))
def test_pr74_no_media_get_lost(message: Text, capabilities: set[str]) -> None:
    """As themselves for a device with mms, as links in the body for any other."""
    given_ = shown(message, sorted(capabilities))
    as_media = [one["url"] for one in given_["media"]]
    as_links = given_["body"].splitlines()[1:]
    assert as_media + as_links == [one.url for one in message.media]
    assert given_["body"].startswith(message.body)
    assert not (as_media and as_links)
