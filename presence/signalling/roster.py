"""The devices of this node in memory: which endpoint has which socket now, and which is away for a moment."""

from collections.abc import Iterator
from dataclasses import dataclass

from presence.registration import Endpoint
from presence.signalling.socket import Socket

Identity = tuple[str, str]
"""Account and client."""


@dataclass(eq=False)
class Device:
    """A registered endpoint. Without a socket it is away: lost a moment ago, or from before our start."""

    endpoint: Endpoint
    socket: Socket | None = None
    agent: str = ""

    @property
    def identity(self) -> Identity:
        return self.endpoint.account_sid, self.endpoint.client


class Roster:
    """Devices by identity."""

    def __init__(self) -> None:
        self._devices: dict[Identity, dict[str, Device]] = {}

    def add(self, device: Device) -> None:
        self._devices.setdefault(device.identity, {})[device.endpoint.endpoint_id] = device

    def find(self, identity: Identity, endpoint_id: str) -> Device | None:
        return self._devices.get(identity, {}).get(endpoint_id)

    def of(self, socket: Socket) -> Device | None:
        """The device that is registered on this socket."""
        grant = socket.connection.grant
        device = grant and self.find((grant.account_sid, grant.identity), socket.endpoint_id)
        return device if device and device.socket is socket else None

    def remove(self, endpoint: Endpoint) -> Device | None:
        identity = (endpoint.account_sid, endpoint.client)
        devices = self._devices.get(identity, {})
        device = devices.pop(endpoint.endpoint_id, None)
        if not devices:
            self._devices.pop(identity, None)
        return device

    def returning(self, identity: Identity, token_digest: str, agent: str, now: float) -> Device | None:
        """The device that this new connection is, if it was here a moment ago: same token, else same browser."""
        away = [
            device
            for device in self._devices.get(identity, {}).values()
            if not (device.socket and device.socket.open) and device.endpoint.live(now)
        ]
        same_token = (device for device in away if device.endpoint.token_digest == token_digest)
        same_browser = (device for device in away if agent and device.agent == agent)
        return next(same_token, None) or next(same_browser, None)

    def clear(self) -> None:
        self._devices.clear()

    def __iter__(self) -> Iterator[Device]:
        for devices in self._devices.values():
            yield from devices.values()
