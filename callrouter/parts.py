"""What the router's web application stands on."""

from contextlib import ExitStack
from dataclasses import dataclass, field

from callrouter.calls.steering import SteeringFront
from callrouter.media.client import MediaClient
from callrouter.messages.assembly import Messaging
from callrouter.voice.client import VoiceClient
from foundation.clock import Clock
from foundation.db import Database
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.webserver.health import Check


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Made once by the router process, and handed to whatever serves HTTP in it."""

    settings: Settings
    database: Database
    keys: Keys
    clock: Clock
    front: SteeringFront
    messaging: Messaging
    voice: VoiceClient
    media: MediaClient
    checks: dict[str, Check]
    warnings: dict[str, Check] = field(default_factory=dict)
    """what the operator is told and no balancer acts on"""
    closing: ExitStack = field(default_factory=ExitStack)
    """what the application opened, to be closed when it has served its last request"""
