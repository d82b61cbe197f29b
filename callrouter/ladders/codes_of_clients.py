"""Codes that clients get: of tokens, registration and signalling, with causes and remedies."""

from callrouter.ladders.codes import CLIENT, PLATFORM, SETTINGS, Codes

_NEW_TOKEN = "Have your server make a new token."  # noqa: S105

CLIENTS: Codes = {
    20101: (CLIENT, "The access token is no valid JWT.", _NEW_TOKEN),
    20102: (CLIENT, "The access token's header is not one that is taken.", _NEW_TOKEN),
    20103: (
        CLIENT,
        "The access token's key is not an active key of its account.",
        "Make a key: `callrouter key create`; sign with its secret.",
    ),
    20104: (
        CLIENT,
        "The access token has expired, or was revoked.",
        "Give the page a new one when the SDK says tokenWillExpire.",
    ),
    20105: (CLIENT, "The access token is not valid yet.", "Check the clock of the server that made it."),
    20106: (
        CLIENT,
        "The access token's grants are malformed.",
        "Make it with Twilio's library: a VoiceGrant with incoming_allow or an application.",
    ),
    20107: (
        CLIENT,
        "The access token's signature is wrong.",
        "Sign with the secret of the key that the token names.",
    ),
    20157: (CLIENT, "The access token lives longer than 24 hours.", "Make it shorter: ttl of at most 86400."),
    31000: (
        PLATFORM,
        "The presence server could not do it now.",
        "The SDK tries again; run `callrouter doctor` if it goes on.",
    ),
    31001: (
        SETTINGS,
        "The token's application does not exist or has no voice URL.",
        "Set it: `callrouter app update AP… --voice-url`.",
    ),
    31002: (
        CLIENT,
        "The token names no application for outgoing calls.",
        "Put outgoing_application_sid into the VoiceGrant.",
    ),
    31003: (
        PLATFORM,
        "The call or message was not taken in time.",
        "See that the router runs: `callrouter doctor`.",
    ),
    31005: (PLATFORM, "The router refused the call.", "Look at the call's ladder and alerts."),
    31008: (
        CLIENT,
        "The call was over before the client took it.",
        "Nothing: somebody else answered, or the caller hung up.",
    ),
    31100: (
        CLIENT,
        "The client sent something that is not of the protocol.",
        "Use the Voice SDK, or see docs/protocols.",
    ),
    31101: (
        CLIENT,
        "The client's call has no SID or no session description.",
        "Use the Voice SDK, or see docs/protocols.",
    ),
    31102: (CLIENT, "The client gave no access token.", "Fetch one from your server before you register."),
    31103: (
        CLIENT,
        "The parameters of the client's call are too long.",
        "Send an id, and keep the rest on your server.",
    ),
    31105: (
        CLIENT,
        "The client's name is not valid.",
        "Use at most 121 characters: letters, digits, _ and the like.",
    ),
    31107: (
        CLIENT,
        "The client can't come back into its call: the reconnect token is wrong or too old.",
        "Place the call again.",
    ),
    31201: (
        CLIENT,
        "The token does not allow this.",
        "Give it the permission: incoming_allow in the VoiceGrant for incoming calls.",
    ),
    31202: (
        CLIENT,
        "The token's key or signature is wrong.",
        "Sign with the secret of an active key of the account.",
    ),
    31203: (
        CLIENT,
        "The token's account is unknown or not active.",
        "Name the right account SID; see `callrouter account list`.",
    ),
    31204: (CLIENT, "The access token is not valid.", _NEW_TOKEN),
    31205: (
        CLIENT,
        "The access token has expired, or was revoked.",
        "Give the page a new one when the SDK says tokenWillExpire.",
    ),
    31206: (CLIENT, "The client does too much in a short time.", "Slow down."),
    31207: (CLIENT, "The access token lives longer than 24 hours.", "Make it shorter: ttl of at most 86400."),
    31209: (CLIENT, "The call is over.", "Nothing; the page may have missed its end."),
    31210: (CLIENT, "The message in the call is of a type that does not exist.", "Use user-defined-message."),
    31212: (CLIENT, "The message in the call is too long.", "Send less at a time."),
    31404: (CLIENT, "There is no such call or message.", "It may be over; place a new one."),
    31480: (CLIENT, "The client is not available now.", "See who is there: `callrouter presence show NAME`."),
    31486: (CLIENT, "The client is busy.", "Try again later."),
}
