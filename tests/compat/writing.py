"""An account that writes messages with Twilio's library."""

from typing import Any

import pytest
from sqlalchemy import insert, select, update
from twilio.rest import Client
from twilio_contract import refusal
from twilio_world import carrier_of_messages, fresh

from callrouter import models
from foundation.clock import utc_now
from foundation.sids import MEDIA, MESSAGE, PHONE_NUMBER, new_sid

PHONE = "+15555550123"
URL = "https://app.example/status"
PICTURE = "https://app.example/cat.png"


class Writing:
    """An account with a number, in a deployment with a carrier that takes messages."""

    def __init__(self, deployment: Any, account: tuple[str, str], client: Client) -> None:
        self.deployment, self.account, self.client = deployment, account, client
        self.account_sid, self.number = account[0], fresh()
        self.number_sid = new_sid(PHONE_NUMBER)
        self.insert(models.PhoneNumber, sid=self.number_sid, phone_number=self.number, friendly_name="")
        deployment.write(carrier_of_messages)

    def __call__(self, **given: Any) -> Any:
        return self.client.messages.create(**{"to": PHONE, "from_": self.number, "body": "hello", **given})

    def refused(self, **given: Any) -> tuple[int, int]:
        """The refusal's status and code; nothing may have been stored."""
        before = len(self.client.messages.list())
        code = refusal(lambda: self(**given))
        assert len(self.client.messages.list()) == before
        return code

    def service(self, *numbers: str, **settings: Any) -> str:
        made = self.client.messaging.v1.services.create(friendly_name="alerts", **settings)
        for sid in numbers:
            self.client.messaging.v1.services(made.sid).phone_numbers.create(sid)
        return str(made.sid)

    def stored(self, **columns: Any) -> str:
        sid, now = new_sid(MESSAGE), utc_now().timestamp()
        row = {"direction": "outbound-api", "from": self.number, "to": PHONE, "body": "hello"}
        row |= {"encoding": "gsm-7", "num_segments": 1, "status": "delivered", "carrier": "compat"}
        self.insert(
            models.Message, **{**row, "sid": sid, "date_created": now, "date_updated": now, **columns}
        )
        return sid

    def picture(self, message_sid: str, position: int = 0, size: int | None = 3) -> str:
        sid = new_sid(MEDIA)
        row = {"message_sid": message_sid, "position": position, "url": PICTURE, "size": size}
        self.insert(models.MessageMedia, sid=sid, content_type="image/png", **row)
        if size:
            self.deployment.media.files[sid] = ("image/png", b"png")
        return sid

    def insert(self, model: Any, **columns: Any) -> None:
        row = {"account_sid": self.account_sid, **columns}
        if "date_updated" in model.__table__.c and "date_created" in model.__table__.c:
            row = {"date_created": 1.0, "date_updated": 1.0, **row}
        self.deployment.write(lambda c: c.execute(insert(model).values(row)))

    def row(self, sid: str) -> Any:
        query = select(models.Message.__table__).where(models.Message.sid == sid)
        with self.deployment.database.read() as connection:
            return connection.execute(query).one()

    def move(self, sid: str, **columns: Any) -> None:
        change = update(models.Message).where(models.Message.sid == sid)
        self.deployment.write(lambda c: c.execute(change.values(columns)))

    def rows(self, model: Any, column: str, sid: str) -> int:
        table = model.__table__
        with self.deployment.database.read() as connection:
            return len(connection.execute(select(table).where(table.c[column] == sid)).all())


@pytest.fixture
def write(deployment: Any, account: tuple[str, str], client: Client) -> Writing:
    return Writing(deployment, account, client)
