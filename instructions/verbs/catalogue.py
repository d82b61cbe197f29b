"""All verbs of a voice document."""

from __future__ import annotations

from instructions.elements import Element
from instructions.verbs.connect import Connect
from instructions.verbs.dial import Dial
from instructions.verbs.echo import Echo
from instructions.verbs.enqueue import Enqueue
from instructions.verbs.gather import Gather
from instructions.verbs.hangup import Hangup
from instructions.verbs.leave import Leave
from instructions.verbs.pause import Pause
from instructions.verbs.pay import Pay, Prompt
from instructions.verbs.play import Play
from instructions.verbs.queue import Queue
from instructions.verbs.record import Record
from instructions.verbs.redirect import Redirect
from instructions.verbs.refer import Refer
from instructions.verbs.reject import Reject
from instructions.verbs.say import Say
from instructions.verbs.sms import Sms
from instructions.verbs.start import Start
from instructions.verbs.stop import Stop

VERBS: tuple[type[Element], ...] = (
    Connect,
    Dial,
    Echo,
    Enqueue,
    Gather,
    Hangup,
    Leave,
    Pause,
    Pay,
    Play,
    Prompt,
    Queue,
    Record,
    Redirect,
    Refer,
    Reject,
    Say,
    Sms,
    Start,
    Stop,
)
