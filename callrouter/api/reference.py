"""The REST API's reference page: what of Twilio's 2010-04-01 is served, and what is not, with the reason.

`python -m callrouter.api.reference` prints it. That nothing is forgotten, a test asserts against Twilio's published
description.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from inspect import cleandoc
from types import ModuleType

from callrouter.api.blueprint import MESSAGING, RESOURCES
from callrouter.api.messaging.rendering import PREFIX as V1
from callrouter.api.render import PREFIX
from foundation.webserver.application import Application

ACCOUNT = "/Accounts/{AccountSid}"

NOT_SERVED: Mapping[str, Mapping[str, str]] = {
    "Numbers are the operator's own: no regulator asks an account where it lives.": {
        "/Addresses": "GET POST",
        "/Addresses/{Sid}": "DELETE GET POST",
        "/Addresses/{AddressSid}/DependentPhoneNumbers": "GET",
    },
    "The operator says which numbers are an account's: `callrouter callerid create`. Nobody is phoned for a code.": {
        "/OutgoingCallerIds": "POST",
    },
    "There is no marketplace of add-ons.": {
        "/IncomingPhoneNumbers/{ResourceSid}/AssignedAddOns": "GET POST",
        "/IncomingPhoneNumbers/{ResourceSid}/AssignedAddOns/{Sid}": "DELETE GET",
        "/IncomingPhoneNumbers/{ResourceSid}/AssignedAddOns/{AssignedAddOnSid}/Extensions": "GET",
        "/IncomingPhoneNumbers/{ResourceSid}/AssignedAddOns/{AssignedAddOnSid}/Extensions/{Sid}": "GET",
        "/Recordings/{ReferenceSid}/AddOnResults": "GET",
        "/Recordings/{ReferenceSid}/AddOnResults/{Sid}": "DELETE GET",
        "/Recordings/{ReferenceSid}/AddOnResults/{AddOnResultSid}/Payloads": "GET",
        "/Recordings/{ReferenceSid}/AddOnResults/{AddOnResultSid}/Payloads/{Sid}": "DELETE GET",
        "/Recordings/{ReferenceSid}/AddOnResults/{AddOnResultSid}/Payloads/{PayloadSid}/Data": "GET",
    },
    "Nobody else's apps are let into accounts: give them an API key.": {
        "/AuthorizedConnectApps": "GET",
        "/AuthorizedConnectApps/{ConnectAppSid}": "GET",
        "/ConnectApps": "GET",
        "/ConnectApps/{Sid}": "DELETE GET POST",
    },
    "Card numbers are not taken.": {
        "/Calls/{CallSid}/Payments": "POST",
        "/Calls/{CallSid}/Payments/{Sid}": "POST",
    },
    "SIP ends at the operator's gateway: users and addresses are set there (docs/protocols/carrier.md).": {
        "/SIP/CredentialLists": "GET POST",
        "/SIP/CredentialLists/{Sid}": "DELETE GET POST",
        "/SIP/CredentialLists/{CredentialListSid}/Credentials": "GET POST",
        "/SIP/CredentialLists/{CredentialListSid}/Credentials/{Sid}": "DELETE GET POST",
        "/SIP/Domains": "GET POST",
        "/SIP/Domains/{Sid}": "DELETE GET POST",
        "/SIP/Domains/{DomainSid}/Auth/Calls/CredentialListMappings": "GET POST",
        "/SIP/Domains/{DomainSid}/Auth/Calls/CredentialListMappings/{Sid}": "DELETE GET",
        "/SIP/Domains/{DomainSid}/Auth/Calls/IpAccessControlListMappings": "GET POST",
        "/SIP/Domains/{DomainSid}/Auth/Calls/IpAccessControlListMappings/{Sid}": "DELETE GET",
        "/SIP/Domains/{DomainSid}/Auth/Registrations/CredentialListMappings": "GET POST",
        "/SIP/Domains/{DomainSid}/Auth/Registrations/CredentialListMappings/{Sid}": "DELETE GET",
        "/SIP/Domains/{DomainSid}/CredentialListMappings": "GET POST",
        "/SIP/Domains/{DomainSid}/CredentialListMappings/{Sid}": "DELETE GET",
        "/SIP/Domains/{DomainSid}/IpAccessControlListMappings": "GET POST",
        "/SIP/Domains/{DomainSid}/IpAccessControlListMappings/{Sid}": "DELETE GET",
        "/SIP/IpAccessControlLists": "GET POST",
        "/SIP/IpAccessControlLists/{Sid}": "DELETE GET POST",
        "/SIP/IpAccessControlLists/{IpAccessControlListSid}/IpAddresses": "GET POST",
        "/SIP/IpAccessControlLists/{IpAccessControlListSid}/IpAddresses/{Sid}": "DELETE GET POST",
        "/Calls/{CallSid}/Siprec": "POST",
        "/Calls/{CallSid}/Siprec/{Sid}": "POST",
    },
    "Not built yet.": {
        "/Calls/{CallSid}/Transcriptions": "POST",
        "/Calls/{CallSid}/Transcriptions/{Sid}": "POST",
        "/Calls/{CallSid}/UserDefinedMessages": "POST",
        "/Calls/{CallSid}/UserDefinedMessageSubscriptions": "POST",
        "/Calls/{CallSid}/UserDefinedMessageSubscriptions/{Sid}": "DELETE",
    },
}
"""By the reason: paths below an account, and their methods."""

OURS = {
    ("GET", "/Accounts/{}/Calls/{}/PresenceDecisions"),
    ("GET", "/Accounts/{}/Messages/{}/Decisions"),
}
"""Twilio has nothing like it."""

_SOURCE = re.compile(r" \((twilio-surface|https:)[^)]*\)")
_PARAMETER = re.compile(r"<(\w+)>")
Operation = tuple[str, str]
"""A method, and a path without suffix whose parameters are `{}`."""

_HEAD = """# The REST API

Twilio's `2010-04-01`, made from the code by `make docs`. Twilio's libraries use it when their base URL is the router's.
Each path is also there without suffix and with `.xml`, which answer in XML. The tests in `tests/compat` hold every
answer against Twilio's published description."""

_MESSAGING = (
    """Twilio has it on a host of its own; here `client.messaging.base_url` is the router's too. JSON only."""
)


def served() -> set[Operation]:
    """What of Twilio's is served."""
    rules = (rule for resource in RESOURCES for rule in _rules(resource))
    return {(method, plain(path)) for method, path in rules} - not_served() - OURS


def not_served() -> set[Operation]:
    return {
        (method, plain(ACCOUNT + path))
        for paths in NOT_SERVED.values()
        for path, methods in paths.items()
        for method in methods.split()
    }


def plain(path: str) -> str:
    """A path, of ours or of Twilio's, so that they can be compared."""
    return re.sub(r"\{\w+\}|<\w+>", "{}", path.removeprefix(PREFIX).removesuffix(".json"))


def page() -> str:
    """The page, in Markdown."""
    return "\n".join([_HEAD, "", *_served_section(), *_messaging_section(), *_rest_section()])


def _served_section() -> Iterator[str]:
    done = served() | OURS
    for resource in RESOURCES:
        yield from _resource(
            resource, [rule for rule in _rules(resource) if (rule[0], plain(rule[1])) in done]
        )


def _messaging_section() -> Iterator[str]:
    yield from ("## Messaging v1", "", _MESSAGING, "")
    for resource in MESSAGING:
        yield from _resource(resource, [(method, V1 + path) for method, path in _rules(resource, suffix="")])


def _resource(resource: ModuleType, rules: Iterable[Operation]) -> Iterator[str]:
    paths: dict[str, set[str]] = defaultdict(set)
    for method, path in rules:
        paths[path].add(method)
    yield from (*_about(resource), "", "| path | methods |", "|---|---|")
    yield from (f"| `{path}` | {' '.join(sorted(methods))} |" for path, methods in sorted(paths.items()))
    yield ""


def _about(resource: ModuleType) -> tuple[str, str, str]:
    """The first sentence of its docstring: `/Path, and what it is: more of it (source)`."""
    sentence = cleandoc(resource.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    name, _, text = _SOURCE.sub("", sentence).partition(": ")
    text = text.replace("<", "`<").replace(">", ">`")
    return f"## {name.rstrip('.')}", "", text[:1].upper() + text[1:]


def _rest_section() -> Iterator[str]:
    yield from ("## Not served", "", "These answer 404 with code 20404, or 405 with 20004.", "")
    for reason, paths in NOT_SERVED.items():
        yield from (reason, "", "| path | methods |", "|---|---|")
        yield from (f"| `{ACCOUNT}{path}.json` | {methods} |" for path, methods in paths.items())
        yield ""


def _rules(resource: ModuleType, suffix: str = ".json") -> Iterator[Operation]:
    """Methods and paths of a resource, as they are written with that suffix."""
    app = Application("reference")
    app.register_blueprint(resource.routes)
    for rule in app.url_map.iter_rules():
        if rule.rule.endswith(suffix):
            path = _PARAMETER.sub(lambda match: f"{{{match[1].title().replace('_', '')}}}", rule.rule)
            yield from ((method, path) for method in (rule.methods or set()) - {"HEAD"})


if __name__ == "__main__":
    print(page())
