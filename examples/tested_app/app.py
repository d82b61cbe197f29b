"""A small app, written with Twilio's own library: a menu, two teams, a mailbox, opening hours by text."""

from __future__ import annotations

import os

from flask import Flask, Response, request
from twilio.twiml.messaging_response import MessagingResponse
from twilio.twiml.voice_response import Dial, Gather, VoiceResponse

TEAMS = {"1": "sales", "2": "support"}

app = Flask(__name__, static_folder=None)


def twiml(document: VoiceResponse | MessagingResponse) -> Response:
    return Response(str(document), content_type="text/xml")


@app.post("/voice")
def voice() -> Response:
    """Every call begins here."""
    document = VoiceResponse()
    menu = Gather(num_digits=1, action="/chosen", timeout=5)
    menu.say("Press one for sales, two for support.")
    document.append(menu)
    document.redirect("/mailbox")
    return twiml(document)


@app.post("/chosen")
def chosen() -> Response:
    document = VoiceResponse()
    team = TEAMS.get(request.form["Digits"])
    if team is None:
        document.say("That is no choice.")
        document.redirect("/voice")
    else:
        dial = Dial(action="/talked", timeout=int(os.environ.get("RING_SECONDS", "20")))
        dial.client(team)
        document.append(dial)
    return twiml(document)


@app.post("/talked")
def talked() -> Response:
    """After a talk, or when there was none."""
    document = VoiceResponse()
    if request.form["DialCallStatus"] == "completed":
        document.hangup()
    else:
        document.redirect("/mailbox")
    return twiml(document)


@app.post("/mailbox")
def mailbox() -> Response:
    document = VoiceResponse()
    document.say("Nobody can talk now. Leave a message after the tone.")
    document.record(max_length=30, action="/thanks")
    return twiml(document)


@app.post("/thanks")
def thanks() -> Response:
    document = VoiceResponse()
    document.say("Thank you.")
    return twiml(document)


@app.post("/sms")
def sms() -> Response:
    document = MessagingResponse()
    if "open" in request.form["Body"].lower():
        document.message("We open at eight.")
    else:
        document.message("We read this and answer soon.")
    return twiml(document)


@app.post("/status")
def status() -> Response:
    return Response(status=204)
