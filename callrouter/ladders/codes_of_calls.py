"""Codes of calls that run, with causes and remedies."""

from callrouter.ladders.codes import APP, CARRIER, DOCUMENT, PLATFORM, SETTINGS, Codes

CALLS: Codes = {
    10001: (
        SETTINGS,
        "The account is suspended or closed.",
        "`callrouter account activate AC…` opens it again.",
    ),
    10004: (
        SETTINGS,
        "The account has as many calls as it may have at a time.",
        "Wait until some end, or have the operator raise the limit.",
    ),
    13201: (
        DOCUMENT,
        "<Dial> stands in the document of a leg that was itself dialled.",
        "Dial from the parent call's document.",
    ),
    13214: (
        SETTINGS,
        "The caller ID is neither a number of the account nor verified.",
        "Use one of your numbers, or verify it: `callrouter callerid`.",
    ),
    13223: (
        DOCUMENT,
        "What was dialled is no phone number.",
        "Write it in E.164: + and digits, such as +14155550100.",
    ),
    13224: (
        SETTINGS,
        "No carrier takes calls to this number.",
        "Look at `callrouter carrier list`, and give a carrier that takes it.",
    ),
    13246: (
        SETTINGS,
        "No carrier takes calls to SIP addresses.",
        "Let a carrier take them: see docs/protocols/carrier.md.",
    ),
    13247: (
        SETTINGS,
        "The caller ID can't be used.",
        "Use one of your numbers, or verify it: `callrouter callerid`.",
    ),
    13340: (
        PLATFORM,
        "The speech recogniser is missing, down, or gave no answer.",
        "Install callrouter[stt] or set CALLROUTER_RECOGNITION_ENGINE; `callrouter doctor` says what is there.",
    ),
    13420: (
        APP,
        "What <Play> got is not sound that can be played.",
        "Serve WAV or MP3 with its Content-Type, and open the URL in a browser.",
    ),
    13520: (DOCUMENT, "<Say> has no text.", "Write text into it, or leave it out."),
    13617: (
        PLATFORM,
        "The recording could not be transcribed.",
        "See that a recogniser is installed: `callrouter doctor`.",
    ),
    13750: (
        DOCUMENT,
        "This verb or attribute is checked here but does not act yet.",
        "See docs/reference/compatibility.md for what acts.",
    ),
    14207: (
        SETTINGS,
        "The queue is full.",
        "Raise its MaxSize, or answer QueueResult=queue-full in the action document.",
    ),
    14221: (DOCUMENT, "The task attributes are no JSON object.", "Write one JSON object into <Task>."),
    15000: (
        PLATFORM,
        "The call failed inside the platform.",
        "Look at the log of callrouter at that moment.",
    ),
    15002: (
        SETTINGS,
        "The call waited too long in its account's queue.",
        "Place fewer calls at a time, or have the operator raise CALLROUTER_CALLS_PER_SECOND.",
    ),
    16020: (
        SETTINGS,
        "The conference has as many participants as it may have.",
        "Raise maxParticipants, or use a second conference.",
    ),
    16022: (
        SETTINGS,
        "The conference does not exist, or is over.",
        "Use its SID while somebody is in it, or its friendly name to begin it.",
    ),
    16023: (SETTINGS, "Another participant has that label.", "Give each participant a label of its own."),
    16024: (
        SETTINGS,
        "A participant that coaches needs the call that it is to coach.",
        "Give CallSidToCoach too.",
    ),
    16025: (
        SETTINGS,
        "The participant's label is not valid, or is taken.",
        "Give each participant a label of its own, of at most 128 characters.",
    ),
    16026: (
        SETTINGS,
        "The call to coach is missing.",
        "Give CallSidToCoach, the SID of a call in the conference.",
    ),
    16027: (SETTINGS, "The call to coach is not in the conference.", "Let the agent's call join first."),
    16028: (DOCUMENT, "There is nobody to coach.", "Let the agent's call join first, and coach its SID."),
    16101: (CARRIER, "The recording is too short to be kept.", "Nothing: less than a moment was heard."),
    16102: (
        PLATFORM,
        "The recording could not be stored.",
        "Look at the media service: `callrouter doctor`.",
    ),
    16108: (
        SETTINGS,
        "The call is being recorded already.",
        "End that recording first, or pause and resume it.",
    ),
    20404: (
        SETTINGS,
        "What the document or request names does not exist.",
        "Look at the SID or name, and at which account it belongs to.",
    ),
    20503: (
        PLATFORM,
        "A service that this needs is not there now.",
        "`callrouter doctor` says which; it is tried again where that makes sense.",
    ),
    21300: (SETTINGS, "There is no such trunk.", "Give the SID of a carrier trunk of the account."),
}
