"""The playground: TwiML that is checked while one types, and played by a phone in the page. No server is needed."""

from dataclasses import asdict

from flask import Blueprint, Response, jsonify, request

from callrouter.console.access import viewer
from callrouter.console.context import Console
from callrouter.console.pages import page
from callrouter.console.softphone import mint, phone_facts
from callrouter.playground import documents, store
from callrouter.playground.examples import EXAMPLES
from foundation.keys import TokenRefused
from foundation.webserver.errors import ApiError

SHARED = "playground"
"""Purpose of the tokens in links."""
SHARED_SECONDS = 90 * 86_400
LONGEST_LINK = 8_000
"""Characters that every browser and proxy takes."""
PLAYER = "playground"


def add(blueprint: Blueprint, console: Console) -> None:
    keys = console.parts.keys

    @blueprint.get("/playground")
    def playground() -> Response:
        text, fault = next(iter(EXAMPLES.values())), ""
        if token := request.args.get("shared"):
            try:
                text = str(keys.verify(SHARED, token, SHARED_SECONDS)["text"])
            except TokenRefused:
                fault = "This link is not whole, is older than 90 days, or was made by another callrouter."
        facts = phone_facts(console, PLAYER)
        return page("console/playground.html", text=text, fault=fault, examples=EXAMPLES, **facts)

    @blueprint.post("/playground/check")
    def playground_check() -> Response:
        return jsonify(faults=[asdict(fault) for fault in documents.faults(_text())])

    @blueprint.post("/playground/play")
    def playground_play() -> Response:
        """Keeps the text, and answers with a token that calls it and nothing else."""
        text, mine, now = _text(), viewer().account_sid, console.now()
        for fault in documents.faults(text):
            if fault.code == documents.HEADING_FAULT:
                raise ApiError(400, 20001, fault.message)
        if not viewer().active:
            raise ApiError(403, 20005, "This account is suspended or closed: it plays nothing.")
        sid = console.write(lambda connection: store.keep(connection, mine, text, now), mine)
        return jsonify(sid=sid, token=mint(console, PLAYER, incoming=False, application_sid=sid))

    @blueprint.post("/playground/share")
    def playground_share() -> Response:
        """A link to this page with the text in it, signed, so that it shows nothing that was not written here."""
        token = keys.sign(SHARED, {"text": _text()})
        if len(token) > LONGEST_LINK:
            raise ApiError(400, 20001, "The text is too long for a link. Send it as a file.")
        return jsonify(url=f"{console.parts.settings.router_base()}/console/playground?shared={token}")


def _text() -> str:
    text = request.form.get("text", "").replace("\r\n", "\n")
    if len(text) > documents.LONGEST:
        message = f"The text has {len(text)} characters; at most {documents.LONGEST} are played."
        raise ApiError(413, 20001, message)
    if "\0" in text:
        raise ApiError(400, 20001, "The text has a NUL character, which no document may have: remove it.")
    return text
