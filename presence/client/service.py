"""What our own servers ask of the presence server, with a service token, for any account."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from foundation.keys import Keys
from foundation.webserver.service import ServiceToken
from presence.client.account import AccountPresence
from presence.client.transport import Breaker, PresenceRefused, Transport
from presence.client.values import ClientMessage, Presence, Reach, Rung, Snapshot

CONNECT, READ = 0.5, 2.0  # seconds
SLOW_READ = 6.0  # seconds, for what waits for a commit and for sockets


class CallUnknown(Exception):
    """No device has that call, or will have it again."""


class PresenceClient:
    """Blocking calls to one presence server; safe to use from many threads.

    All methods raise PresenceUnavailable when there is no usable answer and PresenceRefused for a 4xx.
    """

    def __init__(
        self, base_url: str, keys: Keys, *, issuer: str = "router", breaker: Breaker | None = None
    ) -> None:
        token = ServiceToken(keys, "presence", issuer)
        self._http = Transport(
            base_url, lambda: token.header["Authorization"], connect=CONNECT, read=READ, breaker=breaker
        )

    def close(self) -> None:
        self._http.close()

    def account(self, account_sid: str) -> AccountPresence:
        """What an account's own server may ask, asked by us; it shares our connections."""
        return AccountPresence.over(self._http, account_sid)

    # What an account is

    def put_account(self, account_sid: str, status: str, auth_tokens: Sequence[str], version: int) -> None:
        body = {"status": status, "auth_tokens": list(auth_tokens), "version": version}
        self._ask("PUT", f"/v1/Accounts/{account_sid}", body, SLOW_READ)

    def put_key(self, account_sid: str, key_sid: str, secret: str, version: int) -> None:
        body = {"account_sid": account_sid, "secret": secret, "version": version}
        self._ask("PUT", f"/v1/Keys/{key_sid}", body, SLOW_READ)

    def delete_key(self, key_sid: str) -> None:
        self._ask("DELETE", f"/v1/Keys/{key_sid}", None, SLOW_READ)

    # Who is there

    def presence(self, account_sid: str, client: str) -> Presence:
        """Where the client can be reached."""
        return Presence.of(self._ask("GET", f"/v1/Accounts/{account_sid}/Presence/{quote(client, safe='')}"))

    def query(self, account_sid: str, clients: Sequence[str]) -> Snapshot:
        """Up to 1,000 clients in one consistent answer."""
        found = self._ask("POST", f"/v1/Accounts/{account_sid}/Presence/query", {"clients": list(clients)})
        return Snapshot(as_of=found["as_of"], clients=tuple(map(Presence.of, found["clients"])))

    def reach(self, account_sid: str, name: str) -> Reach:
        """Whom to ring for a name, with all their endpoints, hidden ones too."""
        found = self._ask("GET", f"/v1/Accounts/{account_sid}/Reach/{quote(name, safe='')}")
        targets = tuple(map(Presence.of, found["targets"]))
        return Reach(name=found["name"], shared=found["shared"], as_of=found["as_of"], targets=targets)

    # Calls

    def invite(
        self,
        account_sid: str,
        call_sid: str,
        client: str,
        endpoints: Sequence[str],
        *,
        sdp: str,
        ring_token: str,
        expires_at: float,
        parameters: Mapping[str, str],
        waves: Sequence[Sequence[str]] = (),
        every: float = 0.0,
    ) -> Rung:
        """Rings these endpoints until accept, cancel or `expires_at` (Unix seconds). Repeating changes nothing.

        `waves`: the same endpoints in groups, of which each starts to ring `every` seconds after the one before;
        without, all ring at once.
        """
        body: dict[str, Any] = {
            "call_sid": call_sid,
            "client": client,
            "endpoints": list(endpoints),
            "sdp": sdp,
            "ring_token": ring_token,
            "expires_at": expires_at,
            "parameters": dict(parameters),
        }
        if waves:
            body |= {"waves": [list(wave) for wave in waves], "every": every}
        answer = self._ask("POST", f"/v1/Accounts/{account_sid}/Invites", body, SLOW_READ)
        skipped = {one["endpoint_id"]: one["reason"] for one in answer["skipped"]}
        return Rung(call_sid=answer["invite"], rung=tuple(answer["rung"]), skipped=skipped)

    def cancel_invite(self, account_sid: str, call_sid: str) -> None:
        self._ask("DELETE", f"/v1/Accounts/{account_sid}/Invites/{call_sid}", None, SLOW_READ)

    def renew_calls(self, account_sid: str, call_sids: Sequence[str]) -> list[str]:
        """Says that these calls live, so that their devices stay busy for another lease (60 s, PR-24); answers
        with those that the presence server does not know."""
        body = {"calls": list(call_sids)}
        answer = self._ask("POST", f"/v1/Accounts/{account_sid}/Calls/leases", body, SLOW_READ)
        return list(answer["unknown"])

    def frame(self, account_sid: str, call_sid: str, frame: Mapping[str, Any]) -> bool:
        """Sends a frame to the client in the call; False when its device has lost its socket. CallUnknown."""
        try:
            self._ask("POST", f"/v1/Accounts/{account_sid}/Calls/{call_sid}/frames", dict(frame), SLOW_READ)
        except PresenceRefused as refused:
            if refused.status == 404:
                raise CallUnknown(f"no device has {call_sid}") from refused
            if refused.status == 409:
                return False
            raise
        return True

    # Messages

    def put_message(
        self,
        account_sid: str,
        message_sid: str,
        client: str,
        *,
        sender: str,
        recipient: str,
        body: str,
        valid_until: float,
        media: Sequence[Mapping[str, str]] = (),
        media_required: bool = False,
        session_sid: str = "",
        hold: bool = True,
    ) -> ClientMessage:
        """Leaves a message for a client's devices until one acknowledges it or `valid_until` (Unix seconds). Repeating
        changes nothing. Without `hold`: only if a device is there to take it. `media`: `{url, content_type}` each."""
        message = {
            "client": client,
            "from": sender,
            "to": recipient,
            "body": body,
            "valid_until": valid_until,
            "media": [dict(one) for one in media],
            "media_required": media_required,
            "session": session_sid,
            "hold": hold,
        }
        path = f"/v1/Accounts/{account_sid}/ClientMessages/{message_sid}"
        return ClientMessage.of(self._ask("PUT", path, message, SLOW_READ))

    def remove_message(self, account_sid: str, message_sid: str) -> None:
        """Takes a message back, whatever became of it; nothing is said when it is not known."""
        self._ask("DELETE", f"/v1/Accounts/{account_sid}/ClientMessages/{message_sid}")

    def _ask(self, method: str, path: str, body: Any = None, read: float = READ) -> Any:
        return self._http.ask(method, path, body, read=read)
