"""An account that has one of everything, so that every path of the API leads somewhere.

What is deleted in a world is gone: tests that change it take one of their own.
"""

import itertools
import re
from functools import partial
from typing import Any

import pytest
import twilio_contract
from sqlalchemy import insert

from callrouter import models
from callrouter.api import reference
from callrouter.conferences import desk as conferences
from callrouter.conferences.rules import Participant
from callrouter.directory import carriers, pool
from callrouter.queues import desk as queues
from callrouter.queues.rules import Member
from foundation import sids
from foundation.clock import utc_now
from foundation.sids import new_sid

URL = "https://app.example/voice"
DESCRIBED = {(method, reference.plain(path)): path for method, path in twilio_contract.operations()}
"""Paths of Twilio's description, by method and path as `callrouter.api.reference` compares them."""
MESSAGE: dict[str, Any] = {"from": "+15555550100", "to": "+15555550199", "body": "hello", "encoding": "gsm-7"}
MESSAGE |= {"direction": "outbound-api", "num_segments": 1, "carrier": "compat"}
_LINES = itertools.count(7100)


def fresh() -> str:
    """A number that no other test has."""
    return f"+1415555{next(_LINES)}"


def carrier_of_messages(connection: Any) -> None:
    """The deployment's one carrier."""
    if connection.execute(carriers.listed().where(models.Carrier.name == "compat")).first() is None:
        made = {"control_url": "https://carrier.example", "secret_sealed": "x", "now": 1.0}
        carriers.create(connection, name="compat", sid=new_sid(sids.CARRIER), **made)


class World:
    """`sids`: by the collection that stands before one in a path, such as `Calls`."""

    def __init__(self, deployment: Any, account: tuple[str, str]) -> None:
        self.deployment, self.auth, self.account_sid = deployment, account, account[0]
        self._rows: list[tuple[Any, dict[str, Any]]] = []
        self.branch, _token = deployment.account(owner=self.account_sid)
        self.number, self.offered = fresh(), fresh()
        deployment.write(lambda c: pool.offer(c, self.offered, carrier="", now=1.0))
        self.call = self._call("in-progress")
        self.ended = self._call("completed", start_time=2.0, end_time=70.0)
        live = {"call_sid": self.call, "status": "in-progress", "duration": None}
        self.recording = self._recording(**live)
        deployment.live.current[self.call] = self.recording
        self.recorded = self._recording(call_sid=self.ended, status="completed", duration=9)
        self.conference, self.participant = self._conference()
        self.mix = self._recording(conference_sid=self.conference, **live)
        self.queue, self.member = self._queue()
        deployment.write(carrier_of_messages)
        self.message, self.picture = self._message()
        self.sids = {
            "Accounts": self.account_sid,
            "Applications": self._application(),
            "AvailablePhoneNumbers": "US",
            "Calls": self.call,
            "Conferences": self.conference,
            "IncomingPhoneNumbers": self._numbered(models.PhoneNumber, self.number),
            "Keys": deployment.key(self.account_sid)[0],
            "Media": self.picture,
            "Members": self.member,
            "Messages": self.message,
            "Notifications": self._notification(),
            "OutgoingCallerIds": self._numbered(models.OutgoingCallerId, fresh()),
            "Participants": self.participant,
            "Queues": self.queue,
            "Recordings": self.recording,
            "ShortCodes": self._short_code(),
            "SigningKeys": deployment.key(self.account_sid)[0],
            "Streams": self._stream(),
            "Transcriptions": self._transcription(),
            "Triggers": self._trigger(),
        }
        self._delivery()
        self._store()

    def path(self, template: str, **others: str) -> str:
        """The path of Twilio's description with our SIDs, or with others for some collections."""
        known, name = {**self.sids, **others}, re.compile(r"/(\w+)/\{\w+\}")
        return name.sub(lambda match: f"/{match[1]}/{known[match[1]]}", template)

    def place(self, method: str, plain: str) -> str:
        """The path of an operation that is described, to something for which it makes sense."""
        others: dict[str, str] = {}
        if "Accounts/{}/Recordings/{}/Transcriptions" in plain:
            others = {"Recordings": self.recorded}
        elif "/Conferences/{}/Recordings/{}" in plain:
            others = {"Recordings": self.mix}
        elif (method, plain) == ("DELETE", "/Accounts/{}/Calls/{}"):
            others = {"Calls": self.ended}
        elif (method, plain) == ("POST", "/Accounts/{}/Calls/{}/Recordings"):
            others = {"Calls": self.add_call("in-progress")}
        elif (method, plain) == ("POST", "/Accounts/{}/Messages/{}"):
            others = {"Messages": self.waiting_message()}
        elif (method, plain) == ("DELETE", "/Accounts/{}/Queues/{}"):
            others = {"Queues": self.empty_queue()}
        return self.path(DESCRIBED[method, plain], **others)

    def add_call(self, status: str) -> str:
        sid = self._call(status)
        self._store()
        return sid

    def empty_queue(self) -> str:
        sid = self._add(models.Queue, sids.QUEUE, friendly_name=f"queue {next(_LINES)}", max_size=5)
        self._store()
        return sid

    def waiting_message(self) -> str:
        sid = self._add(models.Message, sids.MESSAGE, status="queued", **MESSAGE)
        self._store()
        return sid

    def _call(self, status: str, **columns: Any) -> str:
        ends = {"from": "+15555550100", "to": "+15555550199", "direction": "inbound", "leg": ""}
        return self._add(models.Call, sids.CALL, status=status, **ends, **columns)

    def _application(self) -> str:
        return self._add(models.Application, sids.APPLICATION, friendly_name="app", voice_url=URL)

    def _numbered(self, model: Any, number: str) -> str:
        return self._add(model, sids.PHONE_NUMBER, phone_number=number, friendly_name="")

    def _recording(self, **columns: Any) -> str:
        settings = {"source": "StartCallRecordingAPI", "track": "both", "channels": 1, "start_time": 1.0}
        settings |= {"callback_method": "POST", "callback_events": "", **columns}
        return self._add(models.Recording, sids.RECORDING, **settings)

    def _transcription(self) -> str:
        text = {"recording_sid": self.recorded, "status": "completed", "text": "hello", "duration": 9}
        return self._add(models.Transcription, sids.TRANSCRIPTION, **text)

    def _message(self) -> tuple[str, str]:
        """One that was sent, and its picture."""
        message = self._add(models.Message, sids.MESSAGE, status="sent", date_sent=3.0, **MESSAGE)
        file = {"position": 0, "url": URL, "content_type": "image/png", "size": 3}
        return message, self._add(models.MessageMedia, sids.MEDIA, message_sid=message, **file)

    def _short_code(self) -> str:
        code = f"7{next(_LINES) % 100_000:05}"
        return self._add(models.ShortCode, sids.SHORT_CODE, short_code=code, friendly_name=code)

    def _stream(self) -> str:
        return self._add(models.Stream, sids.STREAM, call_sid=self.call, name="tap", status="in-progress")

    def _trigger(self) -> str:
        what = {"usage_category": "calls", "trigger_by": "count", "trigger_value": "9", "recurring": "daily"}
        whom = {"callback_url": URL, "callback_method": "POST", "friendly_name": "many"}
        return self._add(models.UsageTrigger, sids.USAGE_TRIGGER, **what, **whom)

    def _conference(self) -> tuple[str, str]:
        newcomer = Participant(call_sid=self.call, session_sid=self.call, leg="", ticket="t")
        self._settle(
            conferences.join, name="team", settings=conferences.Settings(), newcomer=newcomer, most=9
        )
        return self._sid_of(models.Conference), self.call

    def _queue(self) -> tuple[str, str]:
        caller = self._call("in-progress")
        newcomer = Member(call_sid=caller, session_sid=caller, leg="", ticket="t")
        self._settle(queues.join, name="support", max_size=None, newcomer=newcomer)
        return self._sid_of(models.Queue), caller

    def _notification(self) -> str:
        sid, now = new_sid(sids.NOTIFICATION), utc_now().timestamp()
        row = {"call_sid": self.call, "log": "0", "error_code": "11200", "message_text": "Msg=x"}
        self._insert(models.Notification, sid=sid, message_date=now, **row)
        return sid

    def _delivery(self) -> None:
        asked = {"call_sid": self.call, "kind": "document", "method": "POST", "url": URL, "parameters": {}}
        self._insert(
            models.Delivery, id=new_sid("")[:20], at=1.0, response_status=200, duration_ms=3, **asked
        )

    def _settle(self, work: Any, **details: Any) -> None:
        self._store()
        self.deployment.live.settle(self.account_sid, partial(work, **details))

    def _sid_of(self, model: Any) -> str:
        (row,) = self.deployment.write(
            lambda c: c.execute(model.__table__.select().where(model.account_sid == self.account_sid)).all()
        )
        return str(row.sid)

    def _add(self, model: Any, prefix: str, **columns: Any) -> str:
        sid, now = new_sid(prefix), utc_now().timestamp()
        self._insert(model, sid=sid, date_created=now, date_updated=now, **columns)
        return sid

    def _insert(self, model: Any, **columns: Any) -> None:
        self._rows.append((model, {"account_sid": self.account_sid, **columns}))

    def _store(self) -> None:
        """All rows at once: a commit for each is most of what hundreds of worlds cost."""
        rows, self._rows = self._rows, []
        self.deployment.write(lambda c: [c.execute(insert(model).values(row)) for model, row in rows])


@pytest.fixture(scope="module")
def lasting(deployment: Any) -> World:
    """For what only reads."""
    return World(deployment, deployment.account())


@pytest.fixture
def world(request: pytest.FixtureRequest, lasting: World) -> World:
    """For the test's `operation`: a world of its own if that changes it."""
    operation = request.node.callspec.params.get("operation", ("GET", ""))
    if operation[0] == "GET" or operation in reference.not_served():
        return lasting
    return World(lasting.deployment, lasting.deployment.account())
