"""What to do about an inbound message, in the imperative."""

from __future__ import annotations

from dataclasses import dataclass

from instructions.commands import Fault, Finish, Params, Warn


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Request a document; DocumentFetched or DocumentFailed reports it. `params` are all that the request has."""

    fetch: str
    url: str
    method: str
    params: Params


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Send a message; `index` counts the session's replies from 0, so that each is sent once (IM10).

    `to` None: the sender of the inbound message; `from_` None: the number that it came to. `otherwise`: for a client
    who is not there, `hold`, `tell` or the number that gets it instead (PR-73). `session`: seconds without a message
    after which the session of phone and client that this opens ends (PR-71). `media_required`: rather fail than send a
    link in place of media (PR-74). `wanted_action`: the session waits for Sent.
    """

    index: int
    to: str | None
    from_: str | None
    body: str
    media: tuple[str, ...]
    status_callback: str | None
    otherwise: str | None
    session: int | None
    media_required: bool
    wanted_action: bool


Command = Fetch | Reply | Warn | Fault | Finish
