"""A short message centre in a process of its own, on the PDUs of smpplib: another implementation than the gateway's.

It tells on standard output, one JSON object a line, and is told on standard input: see `main`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
import sys
from typing import Any

from smpplib import consts, smpp
from smpplib.pdu import PDU

PASSWORD = "secret"


class Sequence:
    """smpplib asks its client for numbers."""

    sequence = 0

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence


class Centre:
    def __init__(self) -> None:
        self.statuses: list[int] = []  # for the next submit_sm; afterwards OK
        self.silent = False  # takes submit_sm and answers nothing
        self.drop = 0  # so many submit_sm are taken, and the connection closed instead of an answer
        self.deaf = False  # answers no enquire_link
        self.receipt = ""  # text, tlv or early: sent for each submit_sm
        self.ids = 1000
        self.hex = False
        self.sessions: dict[Session, str] = {}

    async def obey(self, order: dict[str, Any]) -> None:
        for name, value in order.get("set", {}).items():
            setattr(self, name, value)
        for session, kind in list(self.sessions.items()):
            if kind == "bind_transmitter":
                continue
            if "deliver" in order:
                session.deliver(**order["deliver"])
            if "raw" in order:
                session.writer.write(bytes.fromhex(order["raw"]))
        if "close" in order:
            for session in list(self.sessions):
                session.writer.close()
        tell(event="obeyed")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self, writer)
        try:
            while True:
                head = await reader.readexactly(16)
                session.take(head + await reader.readexactly(struct.unpack(">L", head[:4])[0] - 16))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            if self.sessions.pop(session, None):
                tell(event="unbound")
            writer.close()


class Session:
    def __init__(self, centre: Centre, writer: asyncio.StreamWriter) -> None:
        self.centre, self.writer, self.client = centre, writer, Sequence()

    def send(self, command: str, sequence: int | None = None, status: int = 0, **fields: Any) -> int:
        pdu = smpp.make_pdu(command, client=self.client, **fields)
        pdu.sequence = self.client.next_sequence() if sequence is None else sequence
        pdu.status = status
        self.writer.write(pdu.generate())
        return int(pdu.sequence)

    def deliver(self, *, hex: str = "", text: str = "", sequence: int | None = None, **fields: Any) -> None:
        octets = bytes.fromhex(hex) if hex else text.encode("latin-1")
        usual = {"source_addr_ton": 1, "dest_addr_ton": 1, "source_addr": "15550142"}
        usual |= {"destination_addr": "15550199"}
        if octets:
            fields["short_message"] = octets
        fields["sm_length"] = len(octets)
        number = self.send("deliver_sm", sequence, **(usual | fields))
        tell(event="delivering", sequence=number)

    def take(self, octets: bytes) -> None:
        pdu = smpp.parse_pdu(octets, client=self.client, allow_unknown_opt_params=True)
        centre, command = self.centre, pdu.command
        if command.startswith("bind_") and not command.endswith("_resp"):
            good = pdu.password == PASSWORD.encode()
            status = consts.SMPP_ESME_ROK if good else consts.SMPP_ESME_RINVPASWD
            self.send(f"{command}_resp", pdu.sequence, status, system_id="centre")
            if good:
                centre.sessions[self] = command
            tell(event="bound" if good else "refused", kind=command, system_id=pdu.system_id.decode())
        elif command == "submit_sm":
            self.submit(pdu)
        elif command == "enquire_link":
            tell(event="enquire")
            if not centre.deaf:
                self.send("enquire_link_resp", pdu.sequence)
        elif command == "unbind":
            tell(event="unbind")
            self.send("unbind_resp", pdu.sequence)
        else:
            tell(event=command, sequence=pdu.sequence, status=pdu.status)

    def submit(self, pdu: PDU) -> None:
        centre = self.centre
        status = centre.statuses.pop(0) if centre.statuses else 0
        tell(
            event="submit",
            status=status,
            source=pdu.source_addr.decode(),
            source_ton=pdu.source_addr_ton,
            destination=pdu.destination_addr.decode(),
            destination_ton=pdu.dest_addr_ton,
            esm_class=pdu.esm_class,
            data_coding=pdu.data_coding,
            registered_delivery=pdu.registered_delivery,
            validity=pdu.validity_period.decode(),
            hex=(pdu.short_message or b"").hex(),
        )
        if centre.drop:
            centre.drop -= 1
            self.writer.close()
            return
        if centre.silent:
            return
        if status:
            self.send("submit_sm_resp", pdu.sequence, status, message_id="")
            return
        centre.ids += 1
        given = f"{centre.ids:X}" if centre.hex else str(centre.ids)
        if centre.receipt == "early":
            self.receipt(given, text=True)
        self.send("submit_sm_resp", pdu.sequence, message_id=given)
        if centre.receipt in ("text", "tlv"):
            self.receipt(str(centre.ids), text=centre.receipt == "text")

    def receipt(self, id: str, *, text: bool) -> None:
        if text:
            self.deliver(esm_class=4, text=f"id:{id} sub:001 dlvrd:001 stat:DELIVRD err:000 text:hi")
        else:
            self.deliver(esm_class=4, receipted_message_id=id, message_state=2)


def tell(**event: Any) -> None:
    print(json.dumps(event), flush=True)


async def main() -> None:
    """Orders: `set` attributes of Centre; `deliver` a deliver_sm to all who receive; `raw` octets; `close`."""
    centre = Centre()
    tls = None
    if len(sys.argv) > 2:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*sys.argv[2:])
    server = await asyncio.start_server(centre.serve, "127.0.0.1", int(sys.argv[1]), ssl=tls)
    tell(event="listening", port=server.sockets[0].getsockname()[1])
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await centre.obey(json.loads(line))


if __name__ == "__main__":
    asyncio.run(main())
