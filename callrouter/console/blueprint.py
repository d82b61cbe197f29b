"""The wiring of the console: its pages, in the order of its navigation."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Response

from callrouter.console import (
    alerts,
    calls,
    carrier_queues,
    meetings,
    messages,
    overview,
    playground,
    presence_board,
    requests,
    signing_in,
    softphone,
    testcall,
    usage,
)
from callrouter.console.access import Access
from callrouter.console.context import Console
from callrouter.console.directory import (
    accounts,
    applications,
    carriers,
    keys,
    numbers,
    routes,
    services,
    short_codes,
)
from callrouter.console.pages import Link, furnish
from callrouter.parts import Parts
from foundation.webserver.errors import ApiError


@dataclass(frozen=True)
class Page:
    """A module's `add`, and where its page stands in the navigation; one without a label stands nowhere."""

    add: Callable[[Blueprint, Console], None]
    group: str = ""
    label: str = ""
    path: str = ""
    operator: bool = False


PAGES = (
    # One line per page, in the order of the navigation: what happens, why it went wrong, what is set up.
    Page(overview.add, "Watch", "Overview", "/console/"),
    Page(calls.add, "Watch", "Calls", "/console/calls"),
    Page(messages.add, "Watch", "Messages", "/console/messages"),
    Page(requests.add, "Watch", "Requests", "/console/requests"),
    Page(alerts.add, "Watch", "Alerts", "/console/alerts"),
    Page(meetings.add, "Watch", "Conferences and queues", "/console/meetings"),
    Page(presence_board.add, "Watch", "Presence", "/console/presence"),
    Page(testcall.add, "Try", "Test call", "/console/try"),
    Page(playground.add, "Try", "Playground", "/console/playground"),
    Page(softphone.add, "Try", "Softphone", "/console/softphone"),
    Page(numbers.add, "Set up", "Phone numbers", "/console/numbers"),
    Page(applications.add, "Set up", "Applications", "/console/applications"),
    Page(services.add, "Set up", "Messaging services", "/console/services"),
    Page(short_codes.add, "Set up", "Short codes", "/console/short-codes"),
    Page(keys.add, "Set up", "API keys", "/console/keys"),
    Page(accounts.add, "Set up", "Accounts", "/console/accounts"),
    Page(usage.add, "Set up", "Usage", "/console/usage"),
    Page(carriers.add, "Operator", "Carriers", "/console/carriers", operator=True),
    Page(routes.add, "Operator", "Routes", "/console/routes", operator=True),
    Page(carrier_queues.add, "Operator", "Carrier queues", "/console/carrier-queues", operator=True),
)


def create_console(parts: Parts) -> Blueprint:
    """Everything under /console."""
    blueprint = Blueprint(
        "console",
        __name__,
        url_prefix="/console",
        static_folder="static/console",
        static_url_path="/static",
        template_folder="templates",
    )
    console = Console(parts)
    access = Access(console)
    blueprint.before_request(access.guard)
    links = tuple(Link(one.group, one.label, one.path, one.operator) for one in PAGES if one.label)
    furnish(blueprint, console, links)
    signing_in.add(blueprint, access)
    for one in PAGES:
        one.add(blueprint, console)

    @blueprint.get("/<path:_path>")
    def nowhere(_path: str) -> Response:
        raise ApiError(404, 20404, "There is no such page.")

    return blueprint
