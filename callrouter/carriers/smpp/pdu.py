"""The frame of an SMPP PDU, and the small PDUs that hold no message: SMPP 3.4 sections 3.2, 4.1 to 4.3, 4.11."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from enum import IntEnum

VERSION = 0x34
_HEADER = struct.Struct(">IIII")
LONGEST = 70_000
"""Octets of a PDU: a message_payload has 65,535 at most."""


class Command(IntEnum):
    GENERIC_NACK = 0x80000000
    BIND_RECEIVER = 0x01
    BIND_TRANSMITTER = 0x02
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    BIND_TRANSCEIVER = 0x09
    ENQUIRE_LINK = 0x15
    ALERT_NOTIFICATION = 0x102


ANSWER = 0x80000000
"""The bit of a command_id that makes it the answer."""


class FrameBroken(Exception):
    """The SMSC sent a length that no PDU has: nothing after it can be read either."""


@dataclass(frozen=True, kw_only=True)
class Pdu:
    """`octets` are all of it, the header too."""

    command: int
    status: int
    sequence: int
    octets: bytes

    @property
    def body(self) -> bytes:
        return self.octets[_HEADER.size :]


async def read(reader: asyncio.StreamReader) -> Pdu:
    """The next one. FrameBroken; asyncio.IncompleteReadError and OSError when the link ends."""
    head = await reader.readexactly(_HEADER.size)
    length, command, status, sequence = _HEADER.unpack(head)
    if not _HEADER.size <= length <= LONGEST:
        raise FrameBroken(f"a PDU of {length} octets")
    body = await reader.readexactly(length - _HEADER.size)
    return Pdu(command=command, status=status, sequence=sequence, octets=head + body)


def frame(command: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), command, status, sequence) + body


def bind(system_id: str, password: str, system_type: str) -> bytes:
    """The body of all three binds. ValueError for texts that do not fit."""
    texts = (
        _text("system id", system_id, 15),
        _text("password", password, 8),
        _text("system type", system_type, 12),
    )
    return b"".join(texts) + bytes([VERSION, 0, 0]) + b"\0"


def message_id(pdu: Pdu) -> str:
    """Of a submit_sm_resp; empty when there is none."""
    return pdu.body.split(b"\0")[0][:65].decode("latin-1")


def _text(name: str, text: str, most: int) -> bytes:
    octets = text.encode("ascii", "strict") if text.isascii() else b""
    if len(octets) != len(text) or len(octets) > most or b"\0" in octets:
        raise ValueError(f"the {name} has at most {most} ASCII characters")
    return octets + b"\0"
