"""What stands when something is decided about a client: its account, the token that asks, its version and devices.

One statement, after the account's lock: under it nothing of this changes, whichever process asks (PR-3, PR-7, PR-18).
"""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, exists, or_, select

from foundation.sids import API_KEY
from presence import rows
from presence.access.refusals import AccessRefused, Refusal
from presence.changes import NEVER_SEEN, ClientRow
from presence.models import accounts, clients, endpoints, keys, revocations
from presence.registration import Endpoint

_REVOKED = exists().where(
    revocations.c.account_sid == bindparam("account"),
    or_(
        and_(
            revocations.c.kind == "token",
            revocations.c.value.in_([bindparam("token_id"), bindparam("token_digest")]),
        ),
        and_(revocations.c.kind == "key", revocations.c.value == bindparam("key")),
        and_(
            revocations.c.kind == "identity",
            revocations.c.value == bindparam("client"),
            revocations.c.at >= bindparam("issued"),
        ),
        and_(revocations.c.kind == "account", revocations.c.at >= bindparam("issued")),
    ),
)
_CLIENT = tuple(clients.c[name] for name in ClientRow._fields)
_STANDING = (
    select(
        accounts.c.status,
        accounts.c.sequence,
        keys.c.revoked,
        _REVOKED,
        *(column.label(f"client_{column.name}") for column in _CLIENT),
        *(column.label(f"endpoint_{column.name}") for column in endpoints.columns),
    )
    .select_from(accounts)
    .outerjoin(keys, and_(keys.c.account_sid == accounts.c.account_sid, keys.c.key_sid == bindparam("key")))
    .outerjoin(
        clients,
        and_(clients.c.account_sid == accounts.c.account_sid, clients.c.client == bindparam("client")),
    )
    .outerjoin(
        endpoints,
        and_(endpoints.c.account_sid == accounts.c.account_sid, endpoints.c.client == bindparam("client")),
    )
    .where(accounts.c.account_sid == bindparam("account"))
)
_FIRST = 4
_DEVICE = _FIRST + len(_CLIENT)
_SID = _DEVICE + list(endpoints.columns).index(endpoints.c.sid)


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


def standing(
    connection: Connection,
    account_sid: str,
    client: str,
    *,
    key_sid: str,
    token_id: str,
    token_digest: str,
    issued_at: float,
) -> Standing:
    """How things stand for the bearer of such a token. A capability token is signed by no API key."""
    asked = {
        "account": account_sid,
        "client": client,
        "key": key_sid,
        "token_id": token_id,
        "token_digest": token_digest,
        "issued": issued_at,
    }
    found = connection.execute(_STANDING, asked).all()
    if not found:
        return Standing(refusal=Refusal.ACCOUNT, sequence=0, client=NEVER_SEEN, endpoints=())
    status, sequence, key_revoked, token_revoked = found[0][:_FIRST]
    refusal = None
    if status != "active":
        refusal = Refusal.ACCOUNT
    elif key_sid.startswith(API_KEY) and key_revoked is not False:
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
