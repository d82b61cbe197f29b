"""Decisions on presence as they are kept with the call: what was known, who was rung, who was not and why.

(PR-78, PR-79) `replayed` decides again on what was kept (PR-80).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, bindparam, delete, insert, select

from callrouter.calls.choosing import Choice, Mode, Outcome, choose
from callrouter.models import Call, PresenceDecision
from foundation.db import later
from presence.client import Presence, Reach, Rung

Unit = Callable[[Connection], None]

DECISIONS = PresenceDecision.__table__
assert isinstance(DECISIONS, Table)
INSERT = insert(DECISIONS)
REPLACE = delete(DECISIONS).where(
    DECISIONS.c.account_sid == bindparam("its_account"), DECISIONS.c.call_sid == bindparam("its_call")
)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One look-up: `reach` is None when the presence server did not answer, `answer` when nobody was to be rung."""

    at: float
    name: str
    mode: Mode
    reach: Reach | None
    choice: Choice
    answer: Rung | None = None


def unanswered(name: str, mode: Mode, at: float, outcome: Outcome) -> Decision:
    """Nobody could be chosen, because the presence server did not say whom there is (PR-59)."""
    return Decision(at=at, name=name, mode=mode, reach=None, choice=Choice(outcome=outcome))


def keep(connection: Connection, account_sid: str, call_sid: str, made: list[Decision]) -> None:
    """Writes the decisions of a leg, in place of those of an earlier life of this router."""
    later(connection, REPLACE, [{"its_account": account_sid, "its_call": call_sid}])
    keys = {"account_sid": account_sid, "call_sid": call_sid}
    later(connection, INSERT, [{**keys, "attempt": n, **_row(one)} for n, one in enumerate(made)])


def listed(account_sid: str, call_sid: str) -> Select[Any]:
    """Decisions for a leg, or for the legs that were dialled from it."""
    family = select(Call.sid).where(Call.account_sid == account_sid, Call.parent_call_sid == call_sid)
    wanted = (DECISIONS.c.call_sid == call_sid) | DECISIONS.c.call_sid.in_(family)
    return select(DECISIONS).where(DECISIONS.c.account_sid == account_sid, wanted)


def replayed(row: Any) -> Decision | None:
    """The same decision made again, now; None when there was nothing to decide on."""
    if row.snapshot is None:
        return None
    reach, mode = _reach(row.snapshot), Mode(row.mode)
    return Decision(at=row.at, name=row.name, mode=mode, reach=reach, choice=choose(reach, mode))


def same(row: Any, decision: Decision) -> bool:
    """Whether the decision that was kept is this one."""
    again = _row(decision)
    names = ("outcome", "chosen_account", "chosen_client", "presence_version", "waves", "skipped")
    return all(row._mapping[name] == again[name] for name in names)


def not_rung(row: Any) -> list[dict[str, str]]:
    """Every device that was not rung, with the reason: those that were not chosen, and those that were in vain."""
    whose = {"account_sid": row.chosen_account, "client": row.chosen_client}
    in_vain = [{**whose, "endpoint_id": one, "reason": reason} for one, reason in row.refused.items()]
    return [*row.skipped, *in_vain]


def seen(snapshot: dict[str, Any], account_sid: str) -> dict[str, Any]:
    """The presence server's answer without the devices of other accounts' clients."""
    targets = [
        one if one["account_sid"] == account_sid else {**one, "note": "", "endpoints": []}
        for one in snapshot["targets"]
    ]
    return {**snapshot, "targets": targets}


def _row(one: Decision) -> dict[str, Any]:
    target, answer = one.choice.target, one.answer
    return {
        "at": one.at,
        "name": one.name,
        "as_of": one.reach and one.reach.as_of,
        "snapshot": one.reach and asdict(one.reach),
        "mode": one.mode.value,
        "outcome": one.choice.outcome.value,
        "chosen_account": target and target.account_sid,
        "chosen_client": target and target.client,
        "presence_version": target and target.version,
        "waves": [list(wave) for wave in one.choice.waves],
        "skipped": [asdict(each) for each in one.choice.skipped],
        "rung": list(answer.rung) if answer else [],
        "refused": dict(answer.skipped) if answer else {},
    }


def _reach(data: dict[str, Any]) -> Reach:
    targets = tuple(map(Presence.of, data["targets"]))
    return Reach(name=data["name"], shared=data["shared"], as_of=data["as_of"], targets=targets)
