"""What waits for each carrier, and for clients: depth, age, speed, and whether the carrier is well."""

from typing import Any

from flask import Blueprint, Response, jsonify

from callrouter.console.access import operator_only
from callrouter.console.context import Console
from callrouter.console.pages import page
from callrouter.messages.routing import tables

MOST = 200
"""Lines of the table by account."""


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/carrier-queues", endpoint="carrier_queues")
    def carrier_queues() -> Response:
        operator_only()
        return page("console/carrier_queues.html", **_waiting())

    @blueprint.get("/carrier-queues.json", endpoint="carrier_queues_json")
    def carrier_queues_json() -> Response:
        operator_only()
        return jsonify(_waiting())

    def _waiting() -> dict[str, Any]:
        now = console.now()
        return {
            "queues": console.read(lambda c: tables.queues(c, now)),
            "accounts": console.read(lambda c: tables.queues(c, now, by_account=True)[:MOST]),
        }
