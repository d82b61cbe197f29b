"""Codes of media streams to an app's WebSocket, with causes and remedies."""

from callrouter.ladders.codes import APP, DOCUMENT, SETTINGS, Codes

STREAMS: Codes = {
    31900: (APP, "The media stream failed.", "Look at your WebSocket server's log at that moment."),
    31901: (
        APP,
        "Your WebSocket server did not answer in time.",
        "See that it runs and takes the connection at once.",
    ),
    31902: (
        APP,
        "Your WebSocket server's machine refused the connection.",
        "Start the server, or correct the port in the URL.",
    ),
    31904: (
        APP,
        "Your WebSocket server can't be reached.",
        "See that its name resolves and that its address may be called.",
    ),
    31910: (
        APP,
        "The TLS handshake with your WebSocket server failed.",
        "Serve a valid certificate with its whole chain.",
    ),
    31920: (
        APP,
        "Your server did not accept the WebSocket handshake.",
        "Answer 101 on that path; a proxy before it must pass Upgrade on.",
    ),
    31921: (
        APP,
        "Your WebSocket server closed the stream before the call let go of it.",
        "Keep the socket open until the `stop` message.",
    ),
    31922: (DOCUMENT, "A stream's URL does not begin with wss://.", "Write wss://host/path."),
    31923: (DOCUMENT, "A stream's URL is not valid.", "Write wss://host/path, without a query."),
    31924: (
        APP,
        "Your WebSocket server broke the protocol.",
        "Use a WebSocket library; send text messages with one JSON object each.",
    ),
    31930: (
        APP,
        "Your WebSocket server takes sound more slowly than it is spoken.",
        "Read the socket without waiting for your own work.",
    ),
    31931: (
        APP,
        "Your server sent more sound than can wait to be played; the rest was thrown away.",
        "Send at the speed of speech, or use `mark` to see what was played.",
    ),
    31941: (
        DOCUMENT,
        "A stream's track is not one that can be had here.",
        "Use inbound_track, outbound_track or both_tracks; with <Connect> inbound_track only.",
    ),
    31950: (
        APP,
        "A message of your WebSocket server is not JSON.",
        "Send text messages with one JSON object each.",
    ),
    31951: (
        APP,
        "A message of your WebSocket server is not one of the protocol.",
        "Send media, mark or clear, with the streamSid that `start` named.",
    ),
    31960: (SETTINGS, "The call has as many streams as it may have.", "Stop one first."),
}
