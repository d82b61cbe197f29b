"""Views said in SQL: which names of an account are in one."""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    false,
    func,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY

from foundation.permissions import Scope
from presence.models import changes, clients, contacts, endpoints
from presence.reading.views import View
from presence.registration import Seen

ACCOUNT: ColumnElement[str] = bindparam("account")
LIVE = (endpoints.c.expires_at > bindparam("now")) & (
    endpoints.c.hidden.is_(False) | bindparam("hidden", type_=Boolean)
)
"""Devices that are there; with `hidden`, also those that opted out of being seen (PR-25)."""


def given(sqlite: bool) -> FromClause:
    """A table of the texts in the parameter `names`: one parameter, however many they are; see `array`."""
    if sqlite:
        return func.json_each(bindparam("names", type_=Text)).table_valued("value", name="given")
    texts = bindparam("names", type_=ARRAY(Text))
    return func.unnest(texts).table_valued("value", name="given").render_derived()


def array(texts: Collection[str], sqlite: bool) -> Any:
    """What the parameter `names` takes."""
    return json.dumps(list(texts)) if sqlite else list(texts)


def devices(sqlite: bool) -> ColumnElement[str]:
    """The devices of the present row of `clients`: one text of JSON, a list of them with the columns of Seen. SQLite
    writes moments in it to ten microseconds."""
    columns = [endpoints.c[name] for name in Seen._fields]
    every = (
        func.json_group_array(func.json_array(*columns))
        if sqlite
        else cast(func.json_agg(func.json_build_array(*columns)), Text)
    )
    of_client = and_(endpoints.c.account_sid == clients.c.account_sid, endpoints.c.client == clients.c.client)
    return select(every).where(of_client, LIVE).correlate(clients).scalar_subquery()


def names(view: View, sqlite: bool, *, changed: bool) -> Select[Any]:
    """The names of a view's clients behind `after`, in the database's own order of texts.

    Named clients and members of selected lists, whoever they are; of everyone and of a prefix those who are there and,
    with `changed`, those who changed after the sequence number `since`.
    """
    selection, parts = view.selection, list[Select[Any]]()
    if selection.clients:
        parts.append(select(given(sqlite).c.value.label("client")))
    if selection.lists:
        members = contacts.c.list.in_(sorted(selection.lists))
        parts.append(select(contacts.c.client).where(contacts.c.account_sid == ACCOUNT, members))
    if selection.everyone or selection.prefixes:
        wanted = Scope(everyone=selection.everyone, prefixes=selection.prefixes)
        here = select(endpoints.c.client).where(endpoints.c.account_sid == ACCOUNT, LIVE)
        parts.append(here.where(held(wanted, endpoints.c.client)))
        if changed:
            later = changes.c.sequence > bindparam("since")
            moved = select(changes.c.client).where(changes.c.account_sid == ACCOUNT, later)
            parts.append(moved.where(held(wanted, changes.c.client)))
    name = union(*parts).subquery().c.client
    limits = (held(limit, name) for limit in view.limits)
    return select(name).where(name > bindparam("after"), *limits).order_by(name)


def held(scope: Scope, name: ColumnElement[str]) -> ColumnElement[bool]:
    """`Scope.holds`."""
    if scope.everyone:
        return true()
    within: list[ColumnElement[bool]] = [false()]
    if scope.clients:
        within.append(name.in_(sorted(scope.clients)))
    within += (func.substr(name, 1, len(prefix)) == prefix for prefix in sorted(scope.prefixes))
    if scope.lists:
        listed = contacts.c.list.in_(sorted(scope.lists))
        within.append(exists().where(contacts.c.account_sid == ACCOUNT, contacts.c.client == name, listed))
    return or_(*within)
