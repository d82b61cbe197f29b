"""Codes of messages, with causes and remedies."""

from callrouter.ladders.codes import CARRIER, DOCUMENT, SETTINGS, Codes

MESSAGES: Codes = {
    11751: (SETTINGS, "The media are larger than a message may carry.", "Send smaller files, or a link."),
    14103: (
        DOCUMENT,
        "<Message> has no body, or one of more than 1,600 characters.",
        "Write a <Body> or a <Media>; split longer texts.",
    ),
    14106: (DOCUMENT, "One inbound message led to too many documents.", "Break the circle of <Redirect>s."),
    14107: (
        DOCUMENT,
        "Too many replies between the same two numbers in a short time: two machines may be answering each other.",
        "Do not reply to automatic messages.",
    ),
    14109: (DOCUMENT, "Too many replies to one inbound message.", "Put fewer <Message>s into the document."),
    14110: (
        DOCUMENT,
        "A verb that has no place in the answer to a message was left out.",
        "Use <Message> and <Redirect> only.",
    ),
    14111: (
        SETTINGS,
        "The recipient is not verified for a trial account.",
        "Verify the number: `callrouter callerid`.",
    ),
    21606: (
        SETTINGS,
        "The sender is not one of the account's.",
        "Send from a number, short code or name of the account.",
    ),
    21610: (SETTINGS, "The recipient told this sender to stop.", "Do not write to it until it sends START."),
    21611: (SETTINGS, "The queue of this sender is full.", "Send more slowly, or from more numbers."),
    21612: (
        SETTINGS,
        "No carrier takes messages to this recipient.",
        "Add a route for its prefix: `callrouter carrier route add`.",
    ),
    21703: (
        SETTINGS,
        "No sender of the messaging service can send this.",
        "Add a number that can, with MMS where there are media.",
    ),
    21704: (SETTINGS, "The messaging service has no senders.", "Add numbers to it."),
    30001: (CARRIER, "The queue is full.", "Send more slowly, or give the operator another route."),
    30002: (
        SETTINGS,
        "The account was suspended while the message waited.",
        "`callrouter account activate AC…` opens it again.",
    ),
    30003: (
        CARRIER,
        "The handset, or the client, can't be reached.",
        "Try again later; for a client see who is there: `callrouter presence show NAME`.",
    ),
    30004: (CARRIER, "The carrier or the recipient blocked the message.", "Ask the carrier what it refuses."),
    30005: (
        CARRIER,
        "The handset, or the client, is unknown.",
        "See that the number or name is right and in use.",
    ),
    30006: (
        CARRIER,
        "The number is a landline, or its network can't be reached.",
        "Call it instead, or use another route.",
    ),
    30007: (
        CARRIER,
        "A carrier took the message for spam.",
        "Change its words and links, and register the sender where that is asked.",
    ),
    30008: (
        CARRIER,
        "The carrier failed the message without saying why.",
        "Look at the message's steps; ask the carrier, naming its own id.",
    ),
    30017: (
        CARRIER,
        "The carrier is congested.",
        "It was tried again as long as it was valid; send later or by another route.",
    ),
    30022: (
        CARRIER,
        "The carrier's rate for this sender was exceeded.",
        "Send more slowly, or set the route's rate lower than the carrier's.",
    ),
    30036: (
        SETTINGS,
        "The message could not be sent before its validity ended.",
        "See what waits: `callrouter carrier queue`; give a longer ValidityPeriod.",
    ),
    30410: (
        CARRIER,
        "The carrier did not answer in time.",
        "See that its gateway runs; the message may have arrived.",
    ),
}
