"""Accounts and subaccounts, and the rules about their status (twilio-surface 5.6)."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from callrouter import models
from callrouter.directory.announcements import account_changed
from callrouter.directory.credentials import Credential
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.rows import value
from callrouter.directory.webhooks import friendly_name as checked_name

SUBACCOUNTS = 1000


class Status(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account, and how its owner stands. Times are Unix seconds."""

    account_sid: str
    owner_account_sid: str
    owner_status: str
    friendly_name: str
    status: str
    auth_token_sealed: str = field(repr=False)
    auth_token_hash: str = field(repr=False)
    version: int
    date_created: float
    date_updated: float

    @property
    def is_subaccount(self) -> bool:
        return self.owner_account_sid != self.account_sid

    @property
    def active(self) -> bool:
        """Whether it may be used: a subaccount stops with its owner."""
        return self.status == self.owner_status == Status.ACTIVE


def listed(
    owner: str | None = None, *, friendly_name: str | None = None, status: str | None = None
) -> Select[Any]:
    """All accounts, or one and its subaccounts."""
    account, above = models.Account, aliased(models.Account)
    query = select(*account.__table__.c, above.status.label("owner_status")).join(
        above, above.account_sid == account.owner_account_sid
    )
    if owner is not None:
        query = query.where(or_(account.account_sid == owner, account.owner_account_sid == owner))
    if friendly_name is not None:
        query = query.where(account.friendly_name == friendly_name)
    if status is not None:
        query = query.where(account.status == status)
    return query


_FIND = listed().where(models.Account.account_sid == bindparam("account_sid"))


def find(connection: Connection, account_sid: str) -> Account | None:
    row = connection.execute(_FIND, {"account_sid": account_sid}).one_or_none()
    return None if row is None else value(Account, row)


def fetch(connection: Connection, account_sid: str) -> Account:
    """The account; Missing when there is none."""
    account = find(connection, account_sid)
    if account is None:
        raise Missing(f"Account {account_sid}")
    return account


def create(
    connection: Connection,
    *,
    sid: str,
    friendly_name: str,
    credential: Credential,
    now: float,
    owner: str | None = None,
) -> Account:
    """A new account, or an owner's subaccount. 21101: the owner is one itself. 21480: it has too many."""
    if owner is not None:
        _check_owner(connection, fetch(connection, owner))
    connection.execute(
        insert(models.Account).values(
            account_sid=sid,
            owner_account_sid=owner or sid,
            friendly_name=checked_name(friendly_name),
            auth_token_sealed=credential.sealed,
            auth_token_hash=credential.hash,
            date_created=now,
            date_updated=now,
        )
    )
    account_changed(connection, sid, 1, now)
    return fetch(connection, sid)


def change(
    connection: Connection,
    account_sid: str,
    *,
    now: float,
    friendly_name: str | None = None,
    status: str | None = None,
    by: str | None = None,
) -> Account:
    """Renames it or sets its status. `by`: the account that asks; None is the operator, who may do it to all.

    A change of an owner's status is a change of its subaccounts too, so the presence server hears of each.
    """
    account = fetch(connection, account_sid)
    changes: dict[str, Any] = {}
    if friendly_name is not None:
        changes["friendly_name"] = checked_name(friendly_name)
    if status is not None:
        _check_status(account, Status(status), by)
        changes["status"] = status
    if not changes:
        return account
    concerned = models.Account.account_sid == account_sid
    connection.execute(update(models.Account).where(concerned).values(**changes, date_updated=now))
    touched = listed(account_sid) if status is not None else listed().where(concerned)
    for row in connection.execute(touched).all():
        mine = models.Account.account_sid == row.account_sid
        connection.execute(update(models.Account).where(mine).values(version=row.version + 1))
        account_changed(connection, row.account_sid, row.version + 1, now)
        if status == Status.CLOSED:  # for ever, so others may have its numbers
            its = models.PhoneNumber.account_sid == row.account_sid
            connection.execute(delete(models.PhoneNumber).where(its))
    return fetch(connection, account_sid)


def rotate(connection: Connection, account_sid: str, credential: Credential, now: float) -> Account:
    """Gives it another auth token: the one before is worth nothing from now on, and the presence server hears of it."""
    account = fetch(connection, account_sid)
    connection.execute(
        update(models.Account)
        .where(models.Account.account_sid == account_sid)
        .values(
            auth_token_sealed=credential.sealed,
            auth_token_hash=credential.hash,
            version=account.version + 1,
            date_updated=now,
        )
    )
    account_changed(connection, account_sid, account.version + 1, now)
    return fetch(connection, account_sid)


def _check_owner(connection: Connection, owner: Account) -> None:
    if owner.is_subaccount:
        raise Refused(21101, "A subaccount cannot have subaccounts of its own")
    if not owner.active:
        raise Refused(20005, f"Account {owner.account_sid} is {owner.status}", 403)
    table = models.Account
    count = select(func.count()).where(
        table.owner_account_sid == owner.account_sid, table.status != Status.CLOSED
    )
    if connection.execute(count).scalar_one() > SUBACCOUNTS:  # the owner itself is one of them
        raise Refused(21480, f"An account has at most {SUBACCOUNTS} subaccounts")


def _check_status(account: Account, wanted: Status, by: str | None) -> None:
    if account.status == Status.CLOSED and wanted is not Status.CLOSED:
        raise Refused(21479, "A closed account cannot be opened again")
    if by is not None and not account.is_subaccount:
        raise Refused(21477, "An account cannot change its own status; the operator can")
    if by is not None and account.owner_status != Status.ACTIVE:
        raise Refused(21476, "The account's owner is not active")
