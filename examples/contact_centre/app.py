"""A contact centre: a menu by voice or keys, queues with hold music, agents in browsers, whispers, recordings,
voicemail.

It is written for Twilio, with Twilio's library; of callrouter it knows only who of the agents is free (`team.py`). Its
settings are environment variables: ACCOUNT_SID and AUTH_TOKEN, OUR_NUMBER (who calls the agents), PUBLIC_URL (where
this app is reached), AGENTS ("sales=ann,bob support=carol"), and API_URL where the REST API is not Twilio's own.
"""

import io
import math
import os
import struct
import threading
import wave
from collections import defaultdict
from functools import cache

from flask import Flask, Response, jsonify, request
from team import free
from team import team as team_pages
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client
from twilio.twiml.voice_response import Dial, Gather, VoiceResponse

RING_SECONDS = int(os.environ.get("RING_SECONDS", "20"))
"""How long an agent's browser rings before the caller is sent to the voicemail."""
TEAMS = dict(team.split("=") for team in os.environ.get("AGENTS", "sales=ann support=bob").split())
KEYS = {str(number): team for number, team in enumerate(TEAMS, 1)}

app = Flask(__name__, static_folder=None)
app.register_blueprint(team_pages)
voicemails: list[dict[str, str]] = []
recordings: list[dict[str, str]] = []
ringing: dict[str, set[str]] = defaultdict(set)
"""For each waiting caller, the calls to agents that still ring or talk."""
lock = threading.Lock()


def client() -> Client:
    made = Client(os.environ["ACCOUNT_SID"], os.environ["AUTH_TOKEN"])
    if "API_URL" in os.environ:
        made.api.base_url = os.environ["API_URL"]
    return made


def twiml(document: VoiceResponse) -> Response:
    return Response(str(document), content_type="text/xml")


def url(path: str) -> str:
    return os.environ["PUBLIC_URL"] + path


# -- the caller


@app.post("/voice")
def menu() -> Response:
    """Whom do you want? By voice or by a key; whoever says nothing leaves a message."""
    document = VoiceResponse()
    gather = Gather(
        input="dtmf speech",
        num_digits=1,
        timeout=5,
        hints=",".join(TEAMS),
        action="/chosen",
        language="en-US",
    )
    choices = ", ".join(f"say {team}, or press {key}" for key, team in KEYS.items())
    gather.say(f"Welcome. For each team: {choices}.")
    document.append(gather)
    document.redirect("/voicemail")
    return twiml(document)


@app.post("/chosen")
def chosen() -> Response:
    """Into the team's queue; meanwhile its free agents are rung. Without any, at once to the voicemail."""
    said = request.form.get("SpeechResult", "").lower()
    team = KEYS.get(request.form.get("Digits", "")) or next((name for name in TEAMS if name in said), None)
    document = VoiceResponse()
    if team is None:
        document.say("Sorry, there is no such team.")
        document.redirect("/voice")
        return twiml(document)
    agents = free(TEAMS[team].split(","))
    if not agents:
        document.redirect("/voicemail")
        return twiml(document)
    caller = request.form["CallSid"]
    threading.Thread(target=ring_agents, args=(team, agents, caller), daemon=True).start()
    document.enqueue(team, wait_url="/wait", action="/left-queue")
    return twiml(document)


@app.post("/wait")
def wait() -> Response:
    """What a waiting caller hears, again and again."""
    document = VoiceResponse()
    document.say(f"You are number {request.form['QueuePosition']} in line.")
    document.play(url("/music.wav"))
    return twiml(document)


@app.get("/music.wav")
@cache
def music() -> Response:
    """A few calm notes."""
    notes = (262, 330, 392, 523, 392, 330)
    samples = [
        int(4000 * math.sin(math.tau * hz * n / 8000) * math.exp(-n / 3000))
        for hz in notes
        for n in range(6000)
    ]
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return Response(file.getvalue(), content_type="audio/wav", headers={"Cache-Control": "max-age=3600"})


@app.post("/left-queue")
def left_queue() -> Response:
    """The talk is over, or there was none."""
    document = VoiceResponse()
    if request.form["QueueResult"] == "bridged":
        document.say("Thank you for calling. Goodbye.")
        document.hangup()
    else:
        document.redirect("/voicemail")
    return twiml(document)


@app.post("/voicemail")
def voicemail() -> Response:
    document = VoiceResponse()
    document.say("Nobody is free. Please leave a message after the tone, and press hash.")
    document.record(
        action="/thanks", max_length=60, finish_on_key="#", recording_status_callback="/voicemail-stored"
    )
    document.hangup()
    return twiml(document)


@app.post("/thanks")
def thanks() -> Response:
    document = VoiceResponse()
    document.say("Thank you. Goodbye.")
    return twiml(document)


# -- the agents


def ring_agents(team: str, agents: list[str], caller: str) -> None:
    """All of them at once; who answers takes the caller at the front of the team's queue."""
    with lock:  # nobody's end counts before all of them ring
        for agent in agents:
            try:
                call = client().calls.create(
                    to=f"client:{agent}",
                    from_=os.environ["OUR_NUMBER"],
                    url=url(f"/agent?team={team}"),
                    timeout=RING_SECONDS,
                    status_callback=url(f"/agent-status?caller={caller}"),
                )
            except TwilioRestException as error:
                app.logger.error("agent %s can't be rung: %s", agent, error)
            else:
                ringing[caller].add(str(call.sid))
        nobody = caller not in ringing
    if nobody:
        ask_for_a_message(caller)


def ask_for_a_message(caller: str) -> None:
    try:
        client().calls(caller).update(url=url("/voicemail"), method="POST")
    except TwilioRestException as error:
        app.logger.info("caller %s is gone: %s", caller, error)


@app.post("/agent")
def agent() -> Response:
    """An agent has answered: tell them who waits, and connect them, recorded on two channels."""
    team = request.args["team"]
    document = VoiceResponse()
    document.say(f"A caller for {team}.")
    dial = Dial(record="record-from-answer-dual", recording_status_callback="/recorded", timeout=5)
    dial.queue(team, url="/connecting")
    document.append(dial)
    return twiml(document)


@app.post("/connecting")
def connecting() -> Response:
    """What the caller hears before the agent. From now on it does not matter how the agents' calls end."""
    with lock:
        ringing.pop(request.form["CallSid"], None)
    document = VoiceResponse()
    document.say("You are connected. This call is recorded.")
    return twiml(document)


@app.post("/agent-status")
def agent_status() -> Response:
    """When the last agent is gone and the caller still waits, they may leave a message."""
    caller = request.args["caller"]
    with lock:
        calls = ringing.get(caller, set())
        calls.discard(request.form["CallSid"])
        deserted = caller in ringing and not calls
        if deserted:
            del ringing[caller]
    if deserted:
        ask_for_a_message(caller)
    return Response(status=204)


# -- what was recorded


@app.post("/recorded")
def recorded() -> Response:
    recordings.append(request.form.to_dict())
    return Response(status=204)


@app.post("/voicemail-stored")
def voicemail_stored() -> Response:
    voicemails.append(request.form.to_dict())
    return Response(status=204)


@app.get("/recordings")
def listed() -> Response:
    return jsonify(voicemails=voicemails, recordings=recordings)
