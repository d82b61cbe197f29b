"""Twilio's Python library places calls (twilio-surface 5.7): what is taken, and with which code the rest is refused."""

from typing import Any

import pytest
from sqlalchemy import func, insert, select
from twilio.rest import Client
from twilio_contract import refusal

from callrouter import models
from callrouter.calls.outgoing import Placement
from foundation.sids import APPLICATION, PHONE_NUMBER, new_sid
from instructions.commands import RecordingCallback, SipTarget, StatusCallback

OWN, VERIFIED, CALLED = "+15555550101", "+15555550102", "+15555550100"
URL = "https://app.example/voice"


class Placing:
    """An account with a number and a verified caller id, and what it placed."""

    def __init__(self, deployment: Any, account_sid: str, client: Client) -> None:
        self.deployment, self.account_sid, self.client = deployment, account_sid, client
        self.number_sid = new_sid(PHONE_NUMBER)
        self._clear()
        self._insert(models.PhoneNumber, sid=self.number_sid, phone_number=OWN, friendly_name="")
        self._insert(
            models.OutgoingCallerId, sid=new_sid(PHONE_NUMBER), phone_number=VERIFIED, friendly_name=""
        )

    def application(self, **columns: Any) -> str:
        sid = new_sid(APPLICATION)
        self._insert(models.Application, sid=sid, friendly_name="app", **columns)
        return sid

    def __call__(self, **given: Any) -> tuple[Any, Placement]:
        """Places a call: the library's resource, and what the engine was asked for."""
        call = self.client.calls.create(**{"to": CALLED, "from_": OWN, **given})
        what, _, sid, placement = self.deployment.live.asked[-1]
        assert (what, sid) == ("place", call.sid)
        return call, placement

    def refused(self, **given: Any) -> tuple[int, int]:
        """The refusal's status and code; nothing may have been placed or stored."""
        before = len(self.deployment.live.asked), self._calls()
        code = refusal(lambda: self.client.calls.create(**{"to": CALLED, "from_": OWN, **given}))
        assert (len(self.deployment.live.asked), self._calls()) == before
        return code

    def _calls(self) -> int:
        mine = models.Call.account_sid == self.account_sid
        with self.deployment.database.read() as connection:
            return connection.execute(select(func.count()).select_from(models.Call).where(mine)).scalar_one()

    def _clear(self) -> None:
        number = models.PhoneNumber.__table__
        self.deployment.write(lambda c: c.execute(number.delete().where(number.c.phone_number == OWN)))

    def _insert(self, model: Any, **columns: Any) -> None:
        row = {"account_sid": self.account_sid, "date_created": 1.0, "date_updated": 1.0, **columns}
        self.deployment.write(lambda c: c.execute(insert(model).values(row)))


@pytest.fixture
def placing(deployment: Any, account: tuple[str, str], client: Client) -> Placing:
    return Placing(deployment, account[0], client)


def test_a_call_is_placed_and_shown_as_queued(placing: Placing) -> None:
    call, placement = placing(url=URL)
    assert (call.status, call.direction, call.to, call._from) == ("queued", "outbound-api", CALLED, OWN)
    assert (call.phone_number_sid, call.start_time, call.duration) == (placing.number_sid, None, None)
    assert placement == Placement(
        account_sid=placing.account_sid,
        from_=OWN,
        to=CALLED,
        url=URL,
        phone_number_sid=placing.number_sid,
        call_sid=call.sid,
    )


def test_every_parameter_arrives(placing: Placing) -> None:
    _, placement = placing(
        url=URL,
        method="GET",
        fallback_url="https://app.example/fallback",
        fallback_method="GET",
        status_callback="https://app.example/status",
        status_callback_method="GET",
        status_callback_event=["completed", "initiated"],
        send_digits="ww12#A",
        timeout=600,
        time_limit=30,
    )
    assert (placement.method, placement.fallback_url) == ("GET", "https://app.example/fallback")
    assert (placement.fallback_method, placement.send_digits) == ("GET", "ww12#A")
    assert (placement.timeout, placement.time_limit, placement.warnings) == (600, 30, ())
    assert placement.callback == StatusCallback(
        url="https://app.example/status", method="GET", events=("initiated", "completed")
    )


def test_defaults_of_callbacks_and_documents(placing: Placing) -> None:
    _, placement = placing(twiml="<Response/>", status_callback=URL)
    assert placement.callback == StatusCallback(url=URL, method="POST", events=("completed",))
    assert (placement.url, placement.twiml, placement.timeout) == (None, "<Response/>", 60)


def test_an_application_goes_before_everything_else(placing: Placing) -> None:
    columns = {
        "voice_url": URL,
        "voice_method": "GET",
        "voice_fallback_url": "https://app.example/f",
        "status_callback": "https://app.example/s",
        "status_callback_method": "GET",
    }
    sid = placing.application(**columns)
    _, placement = placing(
        application_sid=sid, url="https://b.example", method="POST", status_callback="https://b.example"
    )
    assert (placement.url, placement.method, placement.application_sid) == (URL, "GET", sid)
    assert placement.fallback_url == "https://app.example/f"
    assert placement.callback == StatusCallback(
        url="https://app.example/s", method="GET", events=("completed",)
    )


def test_url_goes_before_twiml_with_a_warning(placing: Placing) -> None:
    _, placement = placing(url=URL, twiml="<Response/>")
    assert (placement.url, placement.twiml) == (URL, None)
    assert [code for code, _ in placement.warnings] == [32019]


def test_what_does_not_act_yet_is_taken_with_a_warning(placing: Placing) -> None:
    _, placement = placing(url=URL, machine_detection="DetectMessageEnd")
    assert [code for code, _ in placement.warnings] == [13750]
    assert placing(url=URL)[1].warnings == ()


def test_call_may_be_recorded_from_its_answer(placing: Placing) -> None:
    assert placing(url=URL, record=False, recording_channels="dual")[1].record is None
    plain = placing(url=URL, record=True)[1].record
    assert plain is not None
    assert (plain.source, plain.track, plain.channels, plain.trim) == ("OutboundAPI", "both", 1, True)
    assert (plain.callback, plain.silence, plain.beep) == (None, 0, False)
    settings = {
        "recording_channels": "dual",
        "recording_status_callback": "https://app.example/r",
        "recording_status_callback_method": "GET",
        "recording_status_callback_event": ["in-progress absent", "completed"],
        "trim": "do-not-trim",
    }
    dual = placing(url=URL, record=True, **settings)[1].record
    assert dual is not None
    assert (dual.channels, dual.trim) == (2, False)
    assert dual.callback == RecordingCallback(
        url="https://app.example/r", method="GET", events=("in-progress", "completed", "absent")
    )
    one = placing(url=URL, record=True, recording_channels="dual", recording_track="inbound")[1].record
    assert one is not None
    assert (one.track, one.channels) == ("inbound", 1)


def test_sip_addresses_may_be_called_by_anyone(placing: Placing) -> None:
    address = "sip:alice@pbx.example;transport=tcp?X-Colour=dark%20green&Via=1"
    call, placement = placing(
        to=address, from_="front.desk", url=URL, sip_auth_username="u", sip_auth_password="p"
    )
    assert call.to == "sip:alice@pbx.example;transport=tcp"
    assert placement.sip == SipTarget(
        uri=call.to, headers=(("X-Colour", "dark green"),), username="u", password="p"
    )
    assert [code for code, _ in placement.warnings] == [32113]
    assert placing(to="sip:alice@pbx.example", from_="client:bob", url=URL)[1].from_ == "client:bob"


def test_clients_and_verified_numbers_may_call(placing: Placing) -> None:
    call, placement = placing(to="client:alice?colour=green&empty=", from_="client:bob", url=URL)
    assert (call.to, call._from, call.phone_number_sid) == ("client:alice", "client:bob", None)
    assert placement.parameters == (("colour", "green"), ("empty", ""))
    assert placing(from_=VERIFIED, url=URL)[1].phone_number_sid is None
    assert placing(to="+1 (555) 555-0100", url=URL)[1].to == CALLED


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"to": ""}, 21201),
        ({"to": "5555550100"}, 21211),
        ({"to": "+1555"}, 21211),
        ({"to": "client:"}, 21211),
        ({"to": "client:a b"}, 21211),
        ({"to": "client:" + "a" * 257}, 21211),
        ({"to": "client:a?" + "&".join("a=b" for _ in range(101))}, 21211),
        ({"to": "sip:alice@example.com", "from_": "the desk"}, 21212),
        ({"to": "sip:"}, 21211),
        ({"to": "sip:a b@example.com"}, 21211),
        ({"to": "sip:a@example.com", "sip_auth_username": "u" * 256}, 21221),
        ({"record": "maybe"}, 20001),
        ({"record": True, "recording_channels": "quadro"}, 20001),
        ({"record": True, "recording_status_callback": "nope"}, 21609),
        ({"record": True, "recording_status_callback_event": ["ended"]}, 21626),
        ({"from_": ""}, 21213),
        ({"from_": "ACME"}, 21212),
        ({"from_": "client:bob"}, 21212),
        ({"from_": "client:", "to": "client:alice"}, 21212),
        ({"from_": "+15555550109"}, 21210),
        ({"from_": "+15555550109", "to": "client:alice"}, 21210),
        ({"url": None}, 21205),
        ({"url": "nope"}, 21205),
        ({"url": None, "twiml": "x" * 4001}, 32018),
        ({"method": "PUT"}, 21209),
        ({"fallback_url": "ftp://a.example"}, 21205),
        ({"fallback_method": "PUT"}, 21209),
        ({"status_callback": "nope"}, 21609),
        ({"status_callback_event": ["ended"]}, 21626),
        ({"send_digits": "12x"}, 21206),
        ({"send_digits": "1" * 33}, 21206),
        ({"timeout": 0}, 21208),
        ({"timeout": 601}, 21208),
        ({"timeout": "\uff11"}, 21208),
        ({"time_limit": 0}, 20001),
        ({"machine_detection": "maybe"}, 21234),
        ({"application_sid": "AP" + "0" * 32}, 21218),
    ],
)
def test_wrong_calls_are_refused_and_leave_nothing(placing: Placing, given: Any, code: int) -> None:
    assert placing.refused(**{"url": URL, **given}) == (400, code)


def test_an_application_without_a_document_is_refused(placing: Placing) -> None:
    assert placing.refused(application_sid=placing.application()) == (400, 21205)


def test_numbers_and_applications_of_others_are_no_help(deployment: Any, placing: Placing) -> None:
    """I12: another account's number is as good as none."""
    sid, token = deployment.account()
    other = Placing.__new__(Placing)
    other.deployment, other.account_sid, other.client = deployment, sid, deployment.client(sid, token)
    application = placing.application(voice_url=URL)
    assert other.refused(url=URL) == (400, 21210)
    assert other.refused(from_="client:a", to="client:b", application_sid=application) == (400, 21218)
