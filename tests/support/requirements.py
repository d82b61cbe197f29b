"""`python -m tests.support.requirements` prints which tests show each requirement on presence and on messages.

A test shows a requirement that it names: `test_pr33_…`, or PR-33 in its docstring; "PR-40 to PR-42" names them all.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]

GROUPS: dict[tuple[str, str], dict[int, str]] = {
    ("PR", "Tokens and permissions"): {
        1: "a token names account, client, application, permissions, times and its key; a changed byte is refused",
        2: "permissions are separate, and each is checked where it is used",
        3: "a token is verified before anything is written; a refusal leaves no trace",
        4: "each reason for a refusal has a code of its own; 401 for who, 403 for what",
        5: "a token lives for an hour unless said otherwise, and for 24 hours at most",
        6: "client names: 1 to 256 characters, compared exactly, without blanks, controls and delimiters",
        7: "keys rotate; keys and tokens can be revoked, which ends what was registered with them",
        8: "a registration does not outlive its token; a new token takes over without a gap",
        9: "no token does what another account, another client or another kind of caller may",
    },
    ("PR", "Registration"): {
        10: "registering again with the same endpoint id keeps the registration",
        11: "several endpoints of a client, each with its own status, capabilities and expiry",
        12: "ten live endpoints; one more evicts the one that was refreshed longest ago, and says so",
        13: "a heartbeat extends a registration and is published to nobody",
        14: "whoever reads sees no expired endpoint, whether or not a sweeper runs",
        15: "unregistering is immediate, and may be repeated",
        16: "versions only rise; an update that is based on an old one is refused; late heartbeats revive nothing",
        17: "registering answers with where to send updates and a cursor to go on from",
        18: "registrations in the same moment: one row for one endpoint id, and no update lost",
    },
    ("PR", "Statuses"): {
        20: "available, away, busy and dnd are built in; offline is the lack of endpoints",
        21: "accounts define statuses; their `available` is fixed; one in use is not deleted",
        22: "a note beside the status, limited in length, given back as it came",
        23: "a client's status is the highest-ranked of its live endpoints'; available when one of them can take it",
        24: "a device on a call is busy for calls, not for messages, and free again even if the router died",
        25: "a device that opted out is rung but not listed",
    },
    ("PR", "The presence of a client"): {
        26: "one resource with status, capabilities, note, version, times; endpoints only for those who may see them",
        27: "asked for a capability, it says whether that comes through",
        28: "a destination of several clients or accounts lists each of them with its status",
        29: "ETag and 304; cached no longer than the shortest remaining expiry",
    },
    ("PR", "Views"): {
        30: "what a client may read: itself, a contact list, a prefix, or the account",
        31: "who is out of the scope looks like nobody",
        32: "a connectable view holds only those whom the viewer may connect to",
        33: "contact lists: create, rename, add, remove, list; limited in size",
    },
    ("PR", "Many in one message"): {
        34: "one request, one message with all requested clients",
        35: "that message is of one moment: one sequence number",
        36: "one entry for each client; the answer is a fold over what was accepted, whatever came twice",
        37: "who may not be seen fails nobody else; too many are refused with the limit; pages are of one moment",
        38: "`since` answers with what changed and who is gone; a cursor that is too old is told so",
        39: "a bounded number of statements, however many clients",
    },
    ("PR", "Subscriptions"): {
        40: "streams and sockets for clients, signed webhooks for app servers, within what may be read",
        41: "everything first, then changes",
        42: "what an event says",
        43: "versions never go back at a subscriber; after a reconnect nothing is missing",
        44: "no event when nothing visible changed, unless devices were asked for",
        45: "changes in a short window are merged, and several clients share a message",
        46: "slow subscribers are bounded and slow nobody down",
        47: "a subscription ends with its token; who leaves the view is removed once",
        48: "every live endpoint is reached over its standing connection",
    },
    ("PR", "Calls to clients"): {
        50: "the router asks over HTTP with its own token and rings who is live, available and takes calls",
        51: "all at once, by priority, or the most recently active first; the first to accept wins",
        52: "accepts in the same moment: one winner, and the others are told",
        53: "an accept needs the token of its own ring, while it rings",
        54: "ten nouns in a Dial, not eleven",
        55: "what became of it reaches the action URL",
        56: "nobody there: the document goes on at once, and can tell that from nobody answering",
        57: "a caller who hangs up, or a timeout, stops all ringing",
        58: "a device that vanished after the look-up fails its leg only",
        59: "without the presence server the call takes its fallback, and recovers by itself",
        60: "a document for the called side before it is joined; status callbacks",
        61: "a destination of several accounts takes an available one, and is recorded there",
        62: "a call to a client by the REST API",
    },
    ("PR", "Calls by clients"): {
        65: "a client's call runs the application that its token names",
        66: "a client's parameters never replace the platform's or the token's",
        67: "without the permission no call and no request; unregistered clients may call",
        68: "client to client, also while it is on a call of its own",
    },
    ("PR", "Messages of clients"): {
        70: "an inbound message reaches the endpoints that can take it",
        71: "a session joins a device and a client until it is closed or over",
        72: "all capable endpoints get it; the first acknowledgement delivers it, nobody shows it twice",
        73: "nobody there: held, sent to a number, or the app is told",
        74: "media for endpoints without it: text and a link",
        75: "a client sends with a permission, from a number of the account",
    },
    ("PR", "What presence data makes"): {
        78: "the presence of clients is a resource, and calls keep the version that they were decided on",
        79: "a call tells which presence was used, who rang, and why nobody else did",
    },
    ("PR", "Operation"): {
        80: "two processes and two databases, each alone; commands for tokens, registrations and decisions",
        81: "a restart keeps registrations and numbers, and loses no call",
    },
    ("MR", "Choosing a route by what got delivered"): {
        1: "several routes to a destination prefix, each a carrier with a cost and a weight",
        2: "a message keeps the route that it took; asking for feedback starts a timer",
        3: "reports come from the carrier's webhook, the app or a reply; the answer to the hand-off is none",
        4: "no report in time counts as undelivered; a later one corrects that",
        5: "counts for each route, destination and kind of message, over a window that fades",
        6: "ranked by a bound on the rate, so that few samples lead nowhere; then cost, then latency",
        7: "a stated share explores, so that a demoted route can come back",
        8: "a report twice is one report; one for another's message is refused and tells nothing",
        9: "no account moves another's ranking beyond a capped share",
        10: "the ranking and its evidence can be read; an operator pins and bans",
        11: "a retry takes the next route, and never follows a report of delivery",
    },
    ("PQ", "A queue for each carrier"): {
        1: "one durable queue for each carrier; a slow one holds nobody else back",
        2: "chosen by conversion, expected wait, cost and capability; the scores are kept with the message",
        3: "each carrier's rate and window are kept to",
        4: "handed over at least once under one id; one hand-off is recorded, whoever dies",
        5: "order is kept between one sender and one recipient",
        6: "a message past its validity leaves the queue unsent and failed",
        7: "what waits at a carrier that is down moves to another queue, a few times at most",
        8: "a breaker for each carrier, which tries again by itself",
        9: "no account starves another; priorities are bounded",
        10: "a full queue refuses, and loses nothing",
        11: "depth, age, rates, conversion and breaker can be read",
        12: "a queued message can be canceled; either that or the hand-off wins, never both",
    },
}
_HEAD = """# What presence and messages promise, and which tests show it

Made from the tests by `make docs`. A test that shows a requirement has its number in its name or docstring; a test of
the tests keeps every number shown.
"""
_NAMED = re.compile(r"(?<![a-z])(pr|mr|pq)(\d+)(?:_to_(?:\1)?(\d+))?(?![a-z0-9])")
_CITED = re.compile(r"\b(PR|MR|PQ)-(\d+)(?: to \1-(\d+))?")


def numbers() -> list[str]:
    """Such as PR-33."""
    return [f"{family}-{number}" for (family, _), group in GROUPS.items() for number in group]


@cache
def proofs() -> dict[str, list[str]]:
    """The tests that name each requirement, as `folder/file::test`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.glob("*/test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            is_test = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
                "test_"
            )
            for number in sorted(set(_named(node))) if is_test else ():
                found[number].append(f"{path.relative_to(TESTS)}::{node.name}")  # type: ignore[attr-defined]
    return found


def _named(node: ast.AST) -> Iterator[str]:
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ranges = _NAMED.findall(node.name) + _CITED.findall(ast.get_docstring(node) or "")
    for family, first, last in ranges:
        yield from (f"{family.upper()}-{n}" for n in range(int(first), int(last or first) + 1))


def page() -> str:
    """The tables, in Markdown."""
    parts = [_HEAD]
    for (family, group), titles in GROUPS.items():
        parts.append(f"## {group}\n\n| | what | tests |\n|---|---|---|")
        parts[-1] += "".join(
            f"\n| {family}-{n} | {title} | {_shown(f'{family}-{n}')} |" for n, title in titles.items()
        )
        parts[-1] += "\n"
    return "\n".join(parts)


def _shown(number: str) -> str:
    tests = proofs().get(number, [])
    if not tests:
        return "**none**"
    more = f" and {len(tests) - 2} more" if len(tests) > 2 else ""
    return ", ".join(f"`{test}`" for test in tests[:2]) + more


if __name__ == "__main__":
    print(page())
