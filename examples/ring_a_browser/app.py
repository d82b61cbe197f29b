"""A customer's app: calls to its number ring a browser, and the browser can call out.

It is written for Twilio and knows nothing of callrouter. Its four settings are environment variables:
ACCOUNT_SID, API_KEY, API_SECRET (from `callrouter account create` and `callrouter key create`) and APP_SID (from
`callrouter app create`). `flask --app app run` starts it.
"""

import os

from flask import Flask, Response, jsonify, request, send_from_directory
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.twiml.voice_response import Dial, VoiceResponse

app = Flask(__name__, static_folder=None)


@app.post("/voice")
def voice() -> Response:
    """Somebody called our number: ring alice, wherever she is signed in."""
    answer = VoiceResponse()
    dial = Dial(timeout=20, action="/done")
    dial.client("alice")
    answer.append(dial)
    return Response(str(answer), content_type="text/xml")


@app.post("/outgoing")
def outgoing() -> Response:
    """A browser calls: a phone number when it looks like one, else another browser."""
    to = request.form["To"]
    answer = VoiceResponse()
    dial = Dial(caller_id=os.environ.get("OUR_NUMBER"))
    if to.startswith("+"):
        dial.number(to)
    else:
        dial.client(to)
    answer.append(dial)
    return Response(str(answer), content_type="text/xml")


@app.post("/done")
def done() -> Response:
    return Response(str(VoiceResponse()), content_type="text/xml")


@app.get("/token")
def token() -> Response:
    """What the page gives to the Voice SDK."""
    made = AccessToken(
        os.environ["ACCOUNT_SID"],
        os.environ["API_KEY"],
        os.environ["API_SECRET"],
        identity=request.args["identity"],
    )
    made.add_grant(VoiceGrant(outgoing_application_sid=os.environ["APP_SID"], incoming_allow=True))
    return jsonify(token=made.to_jwt())


@app.get("/")
def page() -> Response:
    return send_from_directory(os.path.dirname(__file__), "index.html")


@app.get("/twilio.min.js")
def sdk() -> Response:
    """The Voice SDK from `npm install @twilio/voice-sdk`, run in this folder."""
    return send_from_directory(
        os.path.join(os.path.dirname(__file__), "node_modules/@twilio/voice-sdk/dist"), "twilio.min.js"
    )
