"""What messages carry: fetched, checked and stored before the message goes on, whichever way it goes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from inbound_world import APP, BASE, HOME, NUMBER, OWNER, PHONE, World, answer, world

from callrouter import models
from callrouter.calls.dispatch import Later
from callrouter.messages import outgoing
from callrouter.messages.media import PAUSES
from callrouter.messages.outgoing import Submission
from callrouter.messages.parameters import media_path
from foundation.outbound.errors import OriginFault, Refused
from foundation.sids import MESSAGE_WITH_MEDIA, new_sid

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 40
PDF = b"%PDF-1.7" + b"d" * 40
PICTURE, PAPER = "https://cdn.test/cat.png", "https://cdn.test/paper.pdf"


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.apps.answers = {
            APP: [answer("<Response/>")],
            PICTURE: [answer(PNG, type="image/png")],
            PAPER: [answer(PDF, type="application/pdf")],
        }
        yield made


def send(w: World, *urls: str) -> str:
    sid = new_sid(MESSAGE_WITH_MEDIA)
    submission = Submission(
        account_sid=w.account,
        sid=sid,
        direction="outbound-api",
        from_=NUMBER,
        to=PHONE,
        body="see",
        media_urls=urls,
    )
    sent = w.write(lambda c: outgoing.submit(c, submission, w.now, owner=OWNER, random=lambda: 0.5))
    w.waiting += sent.rows
    return sid


def statuses(w: World) -> list[tuple[str, int | None]]:
    return [(row.status, row.error_code) for row in w.rows(models.Message)]


# -- in


def test_the_app_is_asked_once_all_media_are_stored(w: World) -> None:
    """IM11: until then the message is `receiving`; our URLs and their types stand in the request."""
    sid = w.arrive(media=(PICTURE, PAPER)).message_sid
    assert statuses(w) == [("receiving", None)]
    w.run()
    assert statuses(w) == [("received", None)]
    told = w.asked()[-1][1]
    first, second = w.rows(models.MessageMedia)
    assert told["NumMedia"] == "2"
    assert told["MediaUrl0"] == BASE + media_path(w.account, sid, first.sid)
    assert (told["MediaContentType0"], told["MediaContentType1"]) == ("image/png", "application/pdf")
    assert w.media.kept[w.account, second.sid] == (PDF, "application/pdf")


def test_media_that_can_not_be_had_do_not_hold_the_message(w: World) -> None:
    """Nothing is lost: the words and the other media arrive, and the account is told what is missing."""
    w.apps.answers[PICTURE] = [answer(b"<html>no cat</html>", type="image/png")]
    w.arrive(media=(PICTURE, PAPER))
    w.run()
    told = w.asked()[-1][1]
    assert (told["NumMedia"], told["MediaContentType0"]) == ("1", "application/pdf")
    assert [row.error_code for row in w.rows(models.MessageMedia)] == [12300, None]
    assert (statuses(w), w.codes()) == ([("received", None)], ["12300"])


def test_a_fault_that_may_pass_is_tried_again_and_what_is_there_is_not_fetched_again(w: World) -> None:
    w.apps.answers[PICTURE] = [answer(status=503), answer(PNG, type="image/png")]
    w.arrive(media=(PICTURE, PAPER))
    later = w.carry_out()
    assert isinstance(later, Later)
    assert (later.seconds, later.aside) == (PAUSES[0], True)
    w.run()
    assert [request.url for request in w.apps.asked[:-1]] == [PICTURE, PAPER, PICTURE]
    assert w.asked()[-1][1]["NumMedia"] == "2"


def test_tries_have_an_end(w: World) -> None:
    """I6: a server that stays away costs its media, and no more than a minute."""
    w.apps.answers[PICTURE] = [OriginFault(11202, "refused")]
    w.arrive(media=(PICTURE,))
    for pause in PAUSES:
        later = w.carry_out()
        assert isinstance(later, Later)
        assert later.seconds == pause
    w.run()
    assert (statuses(w), w.codes()) == ([("received", None)], ["11202"])
    assert w.asked()[-1][1]["NumMedia"] == "0"


def test_a_store_that_is_away_is_waited_for(w: World) -> None:
    w.media.down = True
    w.arrive(media=(PICTURE,))
    assert isinstance(w.carry_out(), Later)
    w.media.down = False
    w.run()
    assert w.asked()[-1][1]["NumMedia"] == "1"


def test_a_carriers_own_host_may_be_private_others_are_under_the_guard(w: World) -> None:
    """What a stranger's message names is not fetched from our network; nor does the carrier's host redirect into it."""
    own = f"{HOME}/media/1"
    w.gateways.answers[own] = [answer(PNG, type="image/png")]
    w.apps.answers["http://10.0.0.1/secret"] = [Refused(11205, "not allowed")]
    w.arrive(media=(own, "http://10.0.0.1/secret"))
    w.run()
    (home,) = w.gateways.asked
    assert (home.url, home.follow_redirects) == (own, False)
    assert [row.error_code for row in w.rows(models.MessageMedia)] == [None, 11205]


def test_all_media_of_a_message_share_five_megabytes(w: World) -> None:
    """11751."""
    large = PNG + b"p" * 3_000_000
    w.apps.answers[PICTURE] = [answer(large, type="image/png")]
    w.arrive(media=(PICTURE, PICTURE))
    w.run()
    assert [row.error_code for row in w.rows(models.MessageMedia)] == [None, 11751]
    assert w.apps.asked[1].max_bytes == 5_000_000 - len(large)


# -- out


def test_a_message_is_queued_once_its_media_are_stored(w: World) -> None:
    sid = send(w, PICTURE)
    assert w.rows(models.QueuedMessage) == []
    w.run()
    (queued,) = w.rows(models.QueuedMessage)
    assert (queued.message_sid, queued.kind) == (sid, "mms")
    assert statuses(w) == [("queued", None)]


@pytest.mark.parametrize(
    ("body", "type", "code"),
    [
        (b"MZ", "application/x-msdownload", 12300),
        (PDF + b"d" * 500_000, "application/pdf", 11751),
        (PNG + b"d" * 5_000_000, "image/png", 11751),
    ],
)
def test_a_message_whose_media_can_not_be_had_fails(w: World, body: bytes, type: str, code: int) -> None:
    w.apps.answers[PAPER] = [answer(body, type=type)]
    send(w, PICTURE, PAPER)
    w.run()
    assert (statuses(w), w.codes()) == ([("failed", code)], [str(code)])
    assert w.rows(models.QueuedMessage) == []


def test_media_that_are_here_already_are_not_fetched_over_the_network(w: World) -> None:
    """An app that sends back the MediaUrl that it got; another account's are not ours to give."""
    sid = w.arrive(media=(PICTURE,)).message_sid
    w.run()
    (piece,) = w.rows(models.MessageMedia)
    ours = BASE + media_path(w.account, sid, piece.sid)
    asked = len(w.apps.asked)
    send(w, ours)
    w.run()
    assert len(w.apps.asked) == asked
    assert sorted(body for body, _ in w.media.kept.values()) == [PNG, PNG]
    theirs = ours.replace(w.account, "AC" + "0" * 32)
    w.apps.answers[theirs] = [answer(status=401)]
    send(w, theirs)
    w.run()
    assert statuses(w)[-1] == ("failed", 11200)


def test_a_message_that_was_deleted_meanwhile_stays_deleted(w: World) -> None:
    send(w, PICTURE)
    w.write(lambda c: c.execute(models.Message.__table__.delete()))
    w.run()
    assert w.rows(models.QueuedMessage) == w.rows(models.Outbox) == []
