"""A carrier made of software: speaks docs/protocols/carrier.md over HTTP and sends and hears real RTP.

For trying an installation without a carrier (`callrouter simulate`), for the demo, and for tests of apps. It
knows the router only by that protocol; it may import the voice node's pure audio and SDP, nothing else of it.
"""

from callrouter.carriers.simulator.call import CallEnded, Cause, Direction, Ending, Report, SimulatedCall
from callrouter.carriers.simulator.gateway import SimulatedCarrier
from callrouter.carriers.simulator.link import CallRefused, RouterUnreachable, Sent
from callrouter.carriers.simulator.script import DialScript, Faults, Outcome
from callrouter.carriers.simulator.texts import Line, Media, Receipts, Text, TextScript

__all__ = [
    "CallEnded",
    "CallRefused",
    "Cause",
    "DialScript",
    "Direction",
    "Ending",
    "Faults",
    "Line",
    "Media",
    "Outcome",
    "Receipts",
    "Report",
    "RouterUnreachable",
    "Sent",
    "SimulatedCall",
    "SimulatedCarrier",
    "Text",
    "TextScript",
]
