"""Pages that all things of an account have: a list, one to make it, one to change and delete it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, redirect, request
from sqlalchemy import ColumnElement, Connection, Select
from werkzeug.datastructures import MultiDict

from callrouter.console.access import viewer
from callrouter.console.context import Console
from callrouter.console.directory.fields import Field, Kind, given, wrong
from callrouter.console.lists import listed
from callrouter.console.pages import page
from callrouter.directory.errors import Missing, Refused
from foundation.sids import is_sid, new_sid
from foundation.webserver.errors import ApiError

Values = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Column:
    """Of a list. `kind`: text, moment, status or mono."""

    label: str
    name: str
    kind: str = "text"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """`create`, `change`, `remove`: as `callrouter.directory` has them, of account, SID, columns and time."""

    one: str
    many: str
    path: str
    prefix: str
    about: str
    columns: Sequence[Column]
    fields: Sequence[Field]
    query: Callable[[str, str], Select[Any]]
    """of an account; the second is what is searched for, or empty"""
    order: tuple[ColumnElement[float], ColumnElement[str]]
    fetch: Callable[[Connection, str, str], Any]
    create: Callable[[Connection, str, str, dict[str, Any], float], Any]
    change: Callable[[Connection, str, str, dict[str, Any], float], Any]
    remove: Callable[[Connection, str, str, float], None]
    made_by_operator: bool = False
    """only the operator makes and deletes them"""
    searched: str = ""
    """what the list can be searched for; empty: it can't"""
    beside: Callable[[Connection, Any], Mapping[str, Any]] = lambda _connection, _found: {}
    """what the page of one shows besides its form"""
    template: str = "console/one.html"

    @property
    def root(self) -> str:
        return f"/console/{self.path}"


def add_resource(blueprint: Blueprint, console: Console, resource: Resource) -> None:
    root, name = f"/{resource.path}", resource.path.replace("-", "_")

    def allowed() -> bool:
        return viewer().operator or not resource.made_by_operator

    def shown_fields(*, new: bool) -> list[Field]:
        return [
            one
            for one in resource.fields
            if (viewer().operator or not one.operator) and (new or not one.fixed)
        ]

    def form(found: Any, values: Values, status: int = 200, fault: tuple[str, str] = ("", "")) -> Response:
        fields, mine = shown_fields(new=found is None), viewer().account_sid

        def read(connection: Connection) -> tuple[Any, Any]:
            chosen = {one.name: one.choices(connection, mine) for one in fields if one.choices}
            return chosen, {} if found is None else resource.beside(connection, found)

        choices, beside = console.read(read)
        faults = {fault[0]: fault[1]} if fault[1] else {}
        return page(
            "console/new.html" if found is None else resource.template,
            status,
            resource=resource,
            found=found,
            fields=fields,
            values=values,
            choices=choices,
            faults=faults,
            saved="saved" in request.args,
            removable=found is not None and allowed(),
            **beside,
        )

    def fetched(sid: str) -> Any:
        if not is_sid(sid, resource.prefix):
            raise Missing(resource.one)
        return console.read(lambda c: resource.fetch(c, viewer().account_sid, sid))

    @blueprint.get(root, endpoint=name)
    def list_() -> Response:
        query = resource.query(viewer().account_sid, wanted := request.args.get("find", "").strip())
        found = console.read(lambda c: listed(c, query, *resource.order))
        return page("console/list.html", resource=resource, list=found, wanted=wanted, may_make=allowed())

    @blueprint.get(f"{root}/new", endpoint=f"{name}_new")
    def new() -> Response:
        _may(allowed())
        initial = {one.name: request.args.get(one.name, one.initial) for one in resource.fields}
        return form(None, initial)

    @blueprint.post(root, endpoint=f"{name}_create")
    def create() -> Response:
        _may(allowed())
        demand_active()
        fields, sid, mine, now = (
            shown_fields(new=True),
            new_sid(resource.prefix),
            viewer().account_sid,
            console.now(),
        )
        try:
            settings = given(fields, request.form)
            console.write(lambda c: resource.create(c, mine, sid, settings, now))
        except Refused as refused:
            return form(None, _as_given(fields, request.form), 400, wrong(fields, refused))
        return to(f"{resource.root}/{sid}?saved=1")

    @blueprint.get(f"{root}/<sid>", endpoint=f"{name}_one")
    def one(sid: str) -> Response:
        found = fetched(sid)
        return form(found, values_of(found))

    @blueprint.post(f"{root}/<sid>", endpoint=f"{name}_change")
    def change(sid: str) -> Response:
        demand_active()
        fields, found, now = shown_fields(new=False), fetched(sid), console.now()
        try:
            settings = given(fields, request.form)
            console.write(lambda c: resource.change(c, found.account_sid, sid, settings, now))
        except Missing:
            raise
        except Refused as refused:
            return form(found, _as_given(fields, request.form), 400, wrong(fields, refused))
        return to(f"{resource.root}/{sid}?saved=1")

    @blueprint.post(f"{root}/<sid>/delete", endpoint=f"{name}_delete")
    def delete(sid: str) -> Response:
        _may(allowed())
        demand_active()
        found, now = fetched(sid), console.now()
        console.write(lambda c: resource.remove(c, found.account_sid, sid, now))
        return to(resource.root)


def demand_active() -> None:
    """403/20005: nothing is changed in a suspended or closed account, but by the operator. 404: there is no account."""
    if viewer().account is None:
        raise ApiError(404, 20404, "There is no account yet: create one first.")
    if not (viewer().active or viewer().operator):
        raise ApiError(403, 20005, "The account is not active.")


def values_of(found: Any) -> dict[str, Any]:
    """The columns of a directory value; what its repr hides is hidden here too."""
    return {name: getattr(found, name) for name, one in found.__dataclass_fields__.items() if one.repr}


def to(path: str) -> Response:
    """Go there; a reload does not send the form again."""
    response = redirect(path, 303)
    assert isinstance(response, Response)
    return response


def _may(allowed: bool) -> None:
    if not allowed:
        raise ApiError(404, 20404, "There is no such page.")


def _as_given(fields: Sequence[Field], form: "MultiDict[str, str]") -> dict[str, Any]:
    """What was typed, to be shown again."""
    values: dict[str, Any] = {
        one.name: (one.name in form) if one.kind is Kind.CHECK else form.get(one.name, "") for one in fields
    }
    return values | {one.method: form.get(one.method, "POST") for one in fields if one.method}
