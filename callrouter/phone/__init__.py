"""A client phone: registers with an access token and answers with a WebRTC stack of its own (aiortc).

It behaves as the browser's Voice SDK does on the wire, and shares nothing with the servers but the pure audio
modules: no server code, no database, no shortcut. For the command line, the demo and tests.
"""

from callrouter.phone.call import CallOver, Ended, PhoneCall, State, UnusableSdp
from callrouter.phone.connection import PhoneRefused, SignalUnreachable
from callrouter.phone.phone import Phone

__all__ = [
    "CallOver",
    "Ended",
    "Phone",
    "PhoneCall",
    "PhoneRefused",
    "SignalUnreachable",
    "State",
    "UnusableSdp",
]
