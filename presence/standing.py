"""What stands when something is decided about a client: its account, the token that asks, its version and devices.

One statement for any number of askers, after the locks of their accounts: under these nothing of it changes, whichever
process asks (PR-3, PR-7, PR-18).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Select,
    Text,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from foundation.sids import API_KEY
from presence import rows
from presence.access.refusals import AccessRefused, Refusal
from presence.changes import NEVER_SEEN, ClientRow
from presence.models import accounts, clients, endpoints, keys, revocations
from presence.registration import Endpoint


class Bearer(NamedTuple):
    """Who asks, about which client, and by which token: what signed it, its digests and when it was issued."""

    account_sid: str
    client: str
    key_sid: str = ""
    token_id: str = ""
    token_digest: str = ""
    issued_at: float = 0.0

    @classmethod
    def of(cls, endpoint: Endpoint) -> "Bearer":
        one = endpoint
        return cls(
            one.account_sid, one.client, one.key_sid, one.token_id, one.token_digest, one.token_issued_at
        )


@dataclass(frozen=True, kw_only=True)
class Standing:
    """`refusal`: why the token is worth nothing now, if it is. `sequence`: the account's last change."""

    refusal: Refusal | None
    sequence: int
    client: ClientRow
    endpoints: tuple[Endpoint, ...]

    def demand(self) -> None:
        """AccessRefused when the account, the key or the token went away since the token was verified."""
        if self.refusal is not None:
            raise AccessRefused(self.refusal)


def standing(connection: Connection, bearer: Bearer) -> Standing:
    """How things stand for the bearer of such a token. A capability token is signed by no API key."""
    return standings(connection, [bearer])[0]


def standings(connection: Connection, bearers: Sequence[Bearer]) -> list[Standing]:
    """The same for many, in their order."""
    sqlite = connection.dialect.name == "sqlite"
    statement, first = (_SQLITE, 0) if sqlite else (_POSTGRESQL, 1)
    columns = zip(Bearer._fields, map(list, zip(*bearers, strict=True)), strict=True)
    asked: dict[str, Any] = {"asked": json.dumps(bearers)} if sqlite else dict(columns)
    found: list[list[Any]] = [[] for _ in bearers]
    for row in connection.execute(statement, asked):
        found[row[0] - first].append(row)
    return [_standing(bearer, rows_) for bearer, rows_ in zip(bearers, found, strict=True)]


_CLIENT = tuple(clients.c[name] for name in ClientRow._fields)
_FIRST = 5
_DEVICE = _FIRST + len(_CLIENT)
_SID = _DEVICE + list(endpoints.columns).index(endpoints.c.sid)


def _standing(bearer: Bearer, found: Sequence[Any]) -> Standing:
    """Of the rows about one bearer: one for each device of the client, at least one unless there is no such account."""
    if not found:
        return Standing(refusal=Refusal.ACCOUNT, sequence=0, client=NEVER_SEEN, endpoints=())
    _, status, sequence, key_revoked, token_revoked = found[0][:_FIRST]
    refusal = None
    if status != "active":
        refusal = Refusal.ACCOUNT
    elif bearer.key_sid.startswith(API_KEY) and key_revoked is not False:
        refusal = Refusal.ISSUER
    elif token_revoked:
        refusal = Refusal.REVOKED
    stored = found[0][_FIRST:_DEVICE]
    return Standing(
        refusal=refusal,
        sequence=sequence,
        client=NEVER_SEEN if stored[0] is None else ClientRow(*stored),
        endpoints=tuple(rows.endpoint(row[_DEVICE:]) for row in found if row[_SID] is not None),
    )


def _statement(asked: FromClause, number: ColumnElement[Any], *parts: ColumnElement[Any]) -> Select[Any]:
    account, client, key, token_id, token_digest, issued = parts
    of_token = and_(revocations.c.kind == "token", revocations.c.value.in_([token_id, token_digest]))
    of_key = and_(revocations.c.kind == "key", revocations.c.value == key)
    issued_before = revocations.c.at >= issued
    of_identity = and_(revocations.c.kind == "identity", revocations.c.value == client, issued_before)
    of_account = and_(revocations.c.kind == "account", issued_before)
    revoked = exists().where(
        revocations.c.account_sid == account, or_(of_token, of_key, of_identity, of_account)
    )
    return (
        select(
            number,
            accounts.c.status,
            accounts.c.sequence,
            keys.c.revoked,
            revoked,
            *(column.label(f"client_{column.name}") for column in _CLIENT),
            *(column.label(f"endpoint_{column.name}") for column in endpoints.columns),
        )
        .select_from(asked)
        .join(accounts, accounts.c.account_sid == account)
        .outerjoin(keys, and_(keys.c.account_sid == account, keys.c.key_sid == key))
        .outerjoin(clients, and_(clients.c.account_sid == account, clients.c.client == client))
        .outerjoin(endpoints, and_(endpoints.c.account_sid == account, endpoints.c.client == client))
    )


def _for_sqlite() -> Select[Any]:
    asked = func.json_each(bindparam("asked", type_=Text)).table_valued("key", "value", name="asked")
    parts = [
        func.json_extract(asked.c.value, literal(f"$[{n}]", literal_execute=True))
        for n in range(len(Bearer._fields))
    ]
    return _statement(asked, asked.c.key, *parts)


def _for_postgresql() -> Select[Any]:
    types: dict[str, Any] = {"issued_at": Double}
    columns = [bindparam(name, type_=ARRAY(types.get(name, Text))) for name in Bearer._fields]
    asked = func.unnest(*columns).table_valued(*Bearer._fields, with_ordinality="number", name="asked")
    asked = asked.render_derived()
    return _statement(asked, asked.c.number, *(asked.c[name] for name in Bearer._fields))


_SQLITE, _POSTGRESQL = _for_sqlite(), _for_postgresql()
