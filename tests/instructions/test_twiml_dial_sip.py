"""Dial: SIP addresses, applications, and the ring tone of a country (twilio-surface 2.2, 2.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instructions.commands import ApplicationTarget, Fetch, ScreenLeg, SipTarget, StartLeg, StatusCallback
from instructions.events import LegAnswered, LegEnded, LegScreened, LegStatus

New = Callable[..., Any]
LEG = "leg-1-0-0"
ANN = "<Client>ann</Client>"


def dial(conversation: New, attributes: str = "", nouns: str = ANN, **options: Any) -> Any:
    talk = conversation(**{"answered": True} | options)
    talk.run(f'<Dial action="/done" {attributes}>{nouns}</Dial>')
    return talk


# -- ringTone


def test_a_countrys_ringing(conversation: New) -> None:
    for written, ring_tone, codes in (("us-old", "us-old", []), ("gb", None, [13220])):
        talk = conversation(answered=True)
        talk.run(f'<Dial ringTone="{written}">{ANN}</Dial>')
        assert (talk.last(StartLeg).ring_tone, talk.codes()) == (ring_tone, codes)
    assert dial(conversation).last(StartLeg).ring_tone is None


CALLEES = {
    "number": (
        '<Number url="/hear" method="GET" statusCallback="/cb" statusCallbackMethod="GET" '
        'statusCallbackEvent="ringing answered">+15550111</Number>'
    ),
    "client": (
        '<Client url="/hear" method="GET" statusCallback="/cb" statusCallbackMethod="GET" '
        'statusCallbackEvent="ringing answered">ann</Client>'
    ),
    "SIP address": (
        '<Sip url="/hear" method="GET" statusCallback="/cb" statusCallbackMethod="GET" '
        'statusCallbackEvent="ringing answered">sip:a@b.test</Sip>'
    ),
    "application": (
        '<Application url="/hear" method="GET" statusCallback="/cb" statusCallbackMethod="GET" '
        f'statusCallbackEvent="ringing answered">AP{"0" * 32}</Application>'
    ),
}


@pytest.mark.parametrize("noun", CALLEES.values(), ids=CALLEES)
def test_every_callee_has_a_whisper_and_a_status_callback(conversation: New, noun: str) -> None:
    talk = conversation(answered=True)
    talk.run(f'<Dial action="/done" method="GET">{noun}</Dial>')
    told = StatusCallback(url="https://app.test/cb", method="GET", events=("ringing", "answered"))
    assert talk.last(StartLeg).status_callback == told
    talk.tell(LegAnswered, leg=LEG)
    assert talk.last(ScreenLeg) == ScreenLeg(leg=LEG, url="https://app.test/hear", method="GET")
    talk.tell(LegScreened, leg=LEG, accepted=False)
    assert (talk.last(Fetch).url, talk.last(Fetch).method) == ("https://app.test/done", "GET")


# -- Sip


def sip(conversation: New, noun: str) -> Any:
    return dial(conversation, "", noun)


def targets(talk: Any) -> list[SipTarget]:
    return [command.noun for command in talk.commands if isinstance(command, StartLeg)]


def test_a_sip_address_with_its_headers(conversation: New) -> None:
    talk = sip(
        conversation,
        '<Sip username="u" password="p">sip:a@b.test;transport=tls?X-Id=1%202&amp;User-to-User=x%3Dy</Sip>',
    )
    assert targets(talk) == [
        SipTarget(
            uri="sip:a@b.test;transport=tls",
            headers=(("X-Id", "1 2"), ("User-to-User", "x=y")),
            username="u",
            password="p",
        )
    ]
    assert talk.codes() == []


def test_headers_may_be_elements(conversation: New) -> None:
    headers = '<Headers><Header name="X-A" value="1"/><Header name="X-B"/></Headers>'
    talk = sip(conversation, f"<Sip><Uri>sip:a@b.test?x-c=3</Uri>{headers}</Sip>")
    assert targets(talk)[0].headers == (("X-A", "1"), ("X-B", ""), ("x-c", "3"))


BAD_HEADERS = {
    "not passed on": ("sip:a@b.test?Via=x&amp;X-A=1", [32113]),
    "no name": ("sip:a@b.test?=x&amp;X-A=1&amp;", [13252]),
    "a name with a blank": ("sip:a@b.test?X-%20B=1&amp;X-A=1", [13252]),
    "a line break, to add another": ("sip:a@b.test?X-B=1%0d%0aVia:x&amp;X-A=1", [13252]),
}


@pytest.mark.parametrize(("address", "codes"), BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_header_that_cannot_be_is_left_out(conversation: New, address: str, codes: list[int]) -> None:
    talk = sip(conversation, f"<Sip>{address}</Sip>")
    assert (targets(talk)[0].headers, talk.codes()) == ((("X-A", "1"),), codes)


def test_headers_that_are_too_long_are_all_left_out(conversation: New) -> None:
    """Fewer than 1,024 characters; the address itself fewer than 255."""
    fits = f"sip:a@b.test?X-A={'x' * 1020}"
    talk = sip(conversation, f"<Sip>{fits}</Sip>")
    assert (len(targets(talk)[0].headers), talk.codes()) == (1, [])
    talk = sip(conversation, f"<Sip>{fits}x</Sip>")
    assert (targets(talk)[0].headers, talk.codes()) == ((), [13253])
    assert targets(sip(conversation, f"<Sip>sip:{'a' * 250}@b.test</Sip>")) == []


def test_several_addresses_are_tried_one_after_another(conversation: New) -> None:
    talk = sip(
        conversation,
        '<Sip username="u" url="hear"><Uri weight="9">sip:c@b.test</Uri>'
        '<Uri priority="2" weight="1">sip:b@b.test</Uri><Uri priority="2" weight="5">sip:a@b.test</Uri>'
        '<Uri username="v">bad</Uri></Sip>',
    )
    assert (talk.last(StartLeg).leg, targets(talk)[0].uri) == (LEG, "sip:a@b.test")
    talk.tell(LegEnded, leg=LEG, status=LegStatus.BUSY)
    talk.tell(LegEnded, leg=f"{LEG}-1", status=LegStatus.FAILED)
    assert [target.uri for target in targets(talk)] == [f"sip:{user}@b.test" for user in "abc"]
    assert {target.username for target in targets(talk)} == {"u"}
    assert talk.tell(LegAnswered, leg=f"{LEG}-2")[-2].leg == f"{LEG}-2"
    assert talk.codes() == [13243]


def test_beside_others_they_ring_together(conversation: New) -> None:
    talk = sip(conversation, f"<Sip><Uri>sip:a@b.test</Uri><Uri>sip:b@b.test</Uri></Sip>{ANN}")
    legs = [command.leg for command in talk.commands if isinstance(command, StartLeg)]
    assert legs == [LEG, f"{LEG}-1", "leg-1-0-1"]


def test_an_address_may_have_credentials_of_its_own(conversation: New) -> None:
    uris = '<Uri>sip:a@b.test</Uri><Uri username="v" password="q">sip:b@b.test</Uri>'
    talk = sip(conversation, f'<Sip username="u" password="p">{uris}</Sip>{ANN}')
    assert [(sip.username, sip.password) for sip in targets(talk)[:2]] == [("u", "p"), ("v", "q")]


def test_at_most_ten_addresses(conversation: New) -> None:
    talk = sip(conversation, f"<Sip>{'<Uri>sip:a@b.test</Uri>' * 11}</Sip>{ANN}")
    assert (len(targets(talk)), talk.codes()) == (11, [13250])


def test_a_sip_address_shows_whom_it_wants(conversation: New) -> None:
    """Unlike a number, it needs no number as caller id."""
    talk = dial(conversation, "", "<Sip>sips:a@b.test</Sip>", caller="client:zoe")
    assert talk.last(StartLeg).noun.uri == "sips:a@b.test"


# -- Application

SID = "AP" + "0123456789abcdef" * 2


@pytest.mark.parametrize("inside", [SID, f"<ApplicationSid>{SID}</ApplicationSid>"])
def test_another_application(conversation: New, inside: str) -> None:
    parameter = '<Parameter name="k" value="v"/>'
    talk = dial(conversation, "", f'<Application url="hear">{inside}{parameter}</Application>')
    assert talk.last(StartLeg).noun == ApplicationTarget(application_sid=SID, parameters=(("k", "v"),))
    assert isinstance(talk.tell(LegAnswered, leg=LEG)[-2], ScreenLeg)


def test_what_an_application_is_not_told_yet(conversation: New) -> None:
    talk = dial(conversation, "", f'<Application customerId="7" copyParentTo="true">{SID}</Application>')
    assert talk.codes() == [13750, 13750]
