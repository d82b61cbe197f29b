"""Who is matched with whom in a queue, and who is told: pure (twilio-surface 2.4, 2.8).

Callers leave in the order in which they came, to the agent who has waited longest. The two are matched first: the
caller may hear a document of the agent's. Then they are connected.
"""

from dataclasses import dataclass, replace

from instructions import events as e


@dataclass(frozen=True, kw_only=True)
class Member:
    """A caller, or an `agent` who waits for one."""

    call_sid: str
    session_sid: str
    leg: str
    ticket: str
    agent: bool = False
    partner: str = ""
    """the call that it is matched with"""
    connected: bool = False
    url: str | None = None
    """an agent's document for the caller"""
    method: str = "POST"

    @property
    def waits(self) -> bool:
        return not self.partner


@dataclass(frozen=True, kw_only=True)
class Word:
    """What a member's call is told."""

    to: Member
    event: e.Event


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The members in the order in which they came, and what is told."""

    members: tuple[Member, ...]
    words: tuple[Word, ...] = ()


def find(members: tuple[Member, ...], call_sid: str) -> Member | None:
    return next((one for one in members if one.call_sid == call_sid), None)


def join(members: tuple[Member, ...], newcomer: Member, *, at: float) -> Decision:
    """A caller or an agent comes to the end of its line."""
    return _match((*members, newcomer), (), at)


def leave(members: tuple[Member, ...], call_sid: str, *, at: float) -> Decision:
    """One is gone. Its partner waits again at its old place, or, once they were connected, is out as well."""
    gone = find(members, call_sid)
    if gone is None:
        return Decision(members=members)
    left = tuple(one for one in members if one is not gone)
    partner = find(left, gone.partner)
    if partner is None:
        return _match(left, (), at)
    parted = Word(to=partner, event=e.QueueParted(at=at))
    if partner.connected:
        return _match(tuple(one for one in left if one is not partner), (parted,), at)
    waits = replace(partner, partner="")
    # An agent who was told of nobody goes on waiting, and need not know.
    told = not partner.agent or partner.url is not None
    return _match(_swap(left, waits), (parted,) if told else (), at)


def connect(members: tuple[Member, ...], call_sid: str, *, at: float) -> Decision:
    """The caller has heard the agent's document."""
    caller = find(members, call_sid)
    agent = find(members, caller.partner) if caller else None
    if caller is None or agent is None or caller.connected:
        return Decision(members=members)
    both = replace(caller, connected=True), replace(agent, connected=True)
    words = (
        Word(to=both[0], event=e.QueueBridged(at=at, call_sid=agent.call_sid)),
        Word(to=both[1], event=e.QueueBridged(at=at, call_sid=caller.call_sid)),
    )
    return Decision(members=_swap(_swap(members, both[0]), both[1]), words=words)


def _match(members: tuple[Member, ...], words: tuple[Word, ...], at: float) -> Decision:
    callers = [one for one in members if one.waits and not one.agent]
    agents = [one for one in members if one.waits and one.agent]
    for caller, agent in zip(callers, agents, strict=False):
        members = _swap(members, replace(caller, partner=agent.call_sid))
        members = _swap(members, replace(agent, partner=caller.call_sid))
        taken = e.QueueTaken(at=at, url=agent.url, method=agent.method, by=agent.call_sid)
        found = (Word(to=agent, event=e.QueueFound(at=at)),) if agent.url is not None else ()
        words = (*words, *found, Word(to=caller, event=taken))
    return Decision(members=members, words=words)


def _swap(members: tuple[Member, ...], now: Member) -> tuple[Member, ...]:
    return tuple(now if one.call_sid == now.call_sid else one for one in members)
