"""Who is asking: account SID and auth token, or API key SID and secret (twilio-surface 5.2)."""

from dataclasses import dataclass

from sqlalchemy import Connection

from callrouter.directory import accounts, keys
from callrouter.directory.accounts import Account
from callrouter.directory.credentials import NOBODY, matches
from callrouter.directory.keys import Key
from foundation.sids import API_KEY, is_sid


@dataclass(frozen=True, kw_only=True)
class Principal:
    """An account, proven by its auth token or by one of its keys."""

    account: Account
    key: Key | None = None

    @property
    def may_manage(self) -> bool:
        """Whether /Accounts and /Keys are open to it: not with a standard key."""
        return self.key is None or self.key.main

    def may_act_on(self, account: Account) -> bool:
        """Its own account and the subaccounts."""
        return self.account.account_sid in (account.account_sid, account.owner_account_sid)


def authenticate(connection: Connection, username: str, password: str) -> Principal | None:
    """None unless both are right. As much work for an unknown SID as for a known one (4.7)."""
    username = username if is_sid(username) else ""  # what PostgreSQL could not even be asked for
    key = keys.find(connection, username) if username.startswith(API_KEY) else None
    account = accounts.find(connection, key.account_sid if key else username)
    stored = key.secret_hash if key else account.auth_token_hash if account else NOBODY
    if matches(password, stored) and account is not None:
        return Principal(account=account, key=key)
    return None
