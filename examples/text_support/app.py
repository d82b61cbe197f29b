"""A support desk by text: whoever writes to its number gets an agent who is free, and the two write to each other.

callrouter asks /sms once. The answer opens a session between the phone and the agent's page; what both write after that
goes back and forth by itself, until the agent says that it is done, or nobody writes for an hour.

Its settings are environment variables: ACCOUNT_SID and AUTH_TOKEN, API_KEY and API_SECRET, which sign the pages'
tokens, API_URL for the router, PRESENCE_URL for the presence server and PRESENCE_HOST for the pages' way to it. AGENTS
are names; ON_CALL is a phone that gets what comes while nobody is there. `run.py` sets all but these two.
"""

import os
from functools import cache
from pathlib import Path

import requests
from flask import Flask, Response, jsonify, request, send_file
from twilio.jwt.access_token import AccessToken, AccessTokenGrant
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.twiml.messaging_response import MessagingResponse

from presence.client import AccountPresence, PresenceRefused, PresenceUnavailable

AGENTS = os.environ.get("AGENTS", "ann bob").split()
ON_CALL = os.environ.get("ON_CALL", "")
SESSION = 3600
"""Seconds without a message after which a phone's next one is a new question."""
PATIENCE = 10.0
NOBODY = "Thank you. Nobody is at the desk just now; you will hear from us."

app = Flask(__name__, static_folder=None)


class PresenceGrant(AccessTokenGrant):
    key = "callrouter"

    def to_payload(self) -> dict[str, list[str]]:
        return {"permissions": ["messages:send", "presence:publish"]}


@cache
def presence() -> AccountPresence:
    account = os.environ["ACCOUNT_SID"]
    return AccountPresence(os.environ["PRESENCE_URL"], account, (account, os.environ["AUTH_TOKEN"]))


def free() -> list[str]:
    """Agents whose page is open, and who are neither away nor on do-not-disturb."""
    try:
        return [one.client for one in presence().query(AGENTS, capability="sms").clients if one.available]
    except (PresenceUnavailable, PresenceRefused):
        return []


@app.post("/sms")
def sms() -> Response:
    """A phone that no agent has a session with has written."""
    answer, agents = MessagingResponse(), free()
    phone, text = request.form["From"], request.form["Body"]
    if agents or not ON_CALL:
        # From the phone, as it came; what nobody can show now waits for the first agent's next page.
        agent = (agents or AGENTS)[0]
        message = answer.message(to=f"client:{agent}", from_=phone, session=SESSION)
        message.body(text)
    else:
        message = answer.message(to=f"client:{AGENTS[0]}", otherwise=ON_CALL)
        message.body(f"{phone} writes: {text}"[:1600])
    for number in range(int(request.form["NumMedia"])):
        message.media(request.form[f"MediaUrl{number}"])
    if not agents:
        answer.message(NOBODY)
    return Response(str(answer), content_type="text/xml")


@app.get("/")
def page() -> Response:
    return send_file(Path(__file__).with_name("desk.html"))


@app.get("/token")
def token() -> Response:
    """Lets the page get messages and answer them. A real app would know by its login who asks."""
    account = os.environ["ACCOUNT_SID"]
    made = AccessToken(
        account, os.environ["API_KEY"], os.environ["API_SECRET"], identity=request.args["identity"]
    )
    made.add_grant(VoiceGrant(incoming_allow=True))
    made.add_grant(PresenceGrant())
    return jsonify(token=made.to_jwt(), account=account, host=os.environ["PRESENCE_HOST"])


@app.post("/done/<session>")
def done(session: str) -> tuple[str, int]:
    """The agent is done: the phone's next message comes to /sms again."""
    account = os.environ["ACCOUNT_SID"]
    closed = requests.post(
        f"{os.environ['API_URL']}/v1/Accounts/{account}/MessageSessions/{session}",
        auth=(account, os.environ["AUTH_TOKEN"]),
        data={"Status": "closed"},
        timeout=PATIENCE,
    )
    return "", closed.status_code
