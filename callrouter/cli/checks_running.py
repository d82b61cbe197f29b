"""The doctor's examinations of what runs: as carriers, apps and clients meet it. Each leaves everything as it was."""

import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import requests
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from callrouter.calls import recovery
from callrouter.cli.checks import PROBE_SECONDS, SKEW, Finding, State
from callrouter.cli.deployment import Deployment
from callrouter.models import Account, Carrier, Outbox, QueuedMessage, RouterNode
from foundation.db import DatabaseUnusable
from foundation.keys import KeysUnusable
from foundation.outbound.signature import sign_body, twilio_signature, verify_twilio_signature
from foundation.settings import Settings, address
from foundation.sids import new_sid

LITTLE, TOO_LITTLE = 2_000_000_000, 200_000_000
"""Bytes on the disk of the data directory."""
LATE, TOO_LATE = 60, 600
"""Seconds that something which is due waits."""


def disk(settings: Settings) -> Finding:
    """Room for recordings and databases."""
    folder = next(
        one for one in (settings.data_dir.resolve(), *settings.data_dir.resolve().parents) if one.exists()
    )
    free = shutil.disk_usage(folder).free
    state = State.FAULT if free < TOO_LITTLE else State.NOTE if free < LITTLE else State.OK
    return Finding(
        check="disk",
        state=state,
        detail=f"{free / 1e9:.1f} GB free at {folder}",
        remedy="" if state is State.OK else "make room, or move CALLROUTER_DATA_DIR to a larger disk",
    )


def public_url(settings: Settings) -> Finding:
    """Whether the URL that apps are told leads here, and what its clock says."""
    check, url = "public URL", settings.router_base()
    try:
        answer = requests.get(f"{url}/livez", timeout=PROBE_SECONDS, allow_redirects=False)
    except requests.exceptions.SSLError as error:
        return Finding(
            check=check,
            state=State.FAULT,
            detail=f"{url}: its certificate is not trusted: {_cause(error)}",
            remedy="let the proxy serve the whole chain of a certificate for this name",
        )
    except requests.RequestException as error:
        runs = bool(settings.router_url)
        return Finding(
            check=check,
            state=State.FAULT if runs else State.NOTE,
            detail=f"{url} does not answer: {_cause(error)}",
            remedy="start the router, or correct CALLROUTER_ROUTER_URL and the proxy" if runs else "",
        )
    if answer.status_code != 200:
        return Finding(
            check=check,
            state=State.FAULT,
            detail=f"{url}/livez answers {answer.status_code}",
            remedy="let the proxy pass everything under this URL to the router",
        )
    skew = _skew(answer.headers.get("Date", ""))
    if abs(skew) > SKEW:
        return Finding(
            check=check,
            state=State.FAULT,
            detail=f"the clock there differs from ours by {skew:.0f} s",
            remedy="keep both clocks right by NTP: signatures and tokens depend on them",
        )
    return Finding(check=check, state=State.OK, detail=f"{url} answers; the clocks agree")


def tls(settings: Settings) -> Finding:
    """What a browser meets at the signalling port: a trusted chain for the name that apps use."""
    check, bind = "client TLS", settings.signal_bind
    if bind == "off":
        return Finding(check=check, state=State.NOTE, detail="served by a proxy in front")
    name = settings.signal_name().rpartition(":")[0] or settings.signal_name()
    authority = settings.data_dir / "tls" / "ca.pem"
    own = not settings.tls_certificate and authority.exists()
    context = ssl.create_default_context(cafile=str(authority) if own else None)
    host, port = address(bind)
    try:
        with (
            socket.create_connection((_reached(host), port), PROBE_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=name.strip("[]")),
        ):
            trusted = "browsers must trust the development CA" if own else "the chain is trusted"
            return Finding(check=check, state=State.OK, detail=f"valid for {name}; {trusted}")
    except ssl.SSLError as error:
        return Finding(
            check=check,
            state=State.FAULT,
            detail=f"{name}: {_cause(error)}",
            remedy="CALLROUTER_TLS_CERTIFICATE needs the whole chain of a certificate for the name in "
            "CALLROUTER_SIGNAL_HOST",
        )
    except OSError:
        return Finding(check=check, state=State.NOTE, detail=f"nothing listens on {bind}")


def signatures(deployment: Deployment) -> Iterator[Finding]:
    """Whether the router that runs takes and gives the signatures that we know."""
    try:
        yield _carrier_signature(deployment)
        yield _twilio_signature(deployment)
    except requests.RequestException:
        yield Finding(check="signatures", state=State.NOTE, detail="not tried: the router does not answer")
    except (DatabaseUnusable, SQLAlchemyError, KeysUnusable):
        yield Finding(check="signatures", state=State.NOTE, detail="not tried: see the faults above")


def _carrier_signature(deployment: Deployment) -> Finding:
    """A signed event of a call that is not there gets 404, and one that is signed wrongly 403: nothing happens."""
    check = "carrier signature"
    carrier = deployment.read(
        lambda c: c.execute(
            select(Carrier.name, Carrier.secrets_sealed).where(Carrier.status == "active")
        ).first()
    )
    if carrier is None:
        remedy = "`callrouter carrier create`, or `callrouter trigger` for a simulated one"
        return Finding(check=check, state=State.NOTE, detail="there is no active carrier", remedy=remedy)
    secret, body, now = deployment.keys.open(carrier.secrets_sealed[0]), b"{}", int(time.time())
    url = (
        f"http://{deployment.settings.router_bind}/carriers/{carrier.name}/calls/doctor-{new_sid('')}/events"
    )

    def status(signature: str) -> int:
        headers = {"X-Callrouter-Timestamp": str(now), "X-Callrouter-Signature": signature}
        return requests.post(url, data=body, headers=headers, timeout=PROBE_SECONDS).status_code

    right, wrong = status(sign_body(secret, now, body)), status(sign_body("another", now, body))
    if (right, wrong) == (404, 403):
        return Finding(
            check=check, state=State.OK, detail=f"{carrier.name}'s is taken, a wrong one is refused"
        )
    return Finding(
        check=check,
        state=State.FAULT,
        detail=f"{carrier.name}'s is answered {right} and a wrong one {wrong}, not 404 and 403",
        remedy="the router runs with other settings than this command: give both the same keys, database and clock",
    )


def _twilio_signature(deployment: Deployment) -> Finding:
    """The router knows the token that webhooks are signed with, and such a signature verifies."""
    check = "Twilio signature"
    account = deployment.read(
        lambda c: c.execute(
            select(Account.account_sid, Account.auth_token_sealed).where(Account.status == "active")
        ).first()
    )
    if account is None:
        return Finding(
            check=check,
            state=State.NOTE,
            detail="there is no account",
            remedy="`callrouter account create NAME`",
        )
    token, base = deployment.keys.open(account.auth_token_sealed), f"http://{deployment.settings.router_bind}"
    url = f"{base}/2010-04-01/Accounts/{account.account_sid}.json"
    answer = requests.get(url, auth=(account.account_sid, token), timeout=PROBE_SECONDS)
    known = answer.json().get("auth_token", "") if answer.status_code == 200 else ""
    signature = twilio_signature(known, url, [("Body", "é")])
    if verify_twilio_signature(token, url, [("Body", "é")], signature):
        return Finding(check=check, state=State.OK, detail="the router signs with the token that we know")
    return Finding(
        check=check,
        state=State.FAULT,
        detail=f"the router does not know the auth token of {account.account_sid} (it answered {answer.status_code})",
        remedy="the router runs with other settings than this command: give both the same keys and database",
    )


def stored(deployment: Deployment) -> Iterator[Finding]:
    """What waits in the database, and which routers hold a lease."""
    try:
        now = deployment.read(lambda c: recovery.lease_time(c, deployment.now()))
        due = deployment.read(lambda c: c.execute(select(func.min(Outbox.due_at))).scalar())
        waiting = select(func.min(QueuedMessage.due_at)).where(QueuedMessage.state == "waiting")
        written = deployment.read(lambda c: c.execute(waiting).scalar())
        nodes = deployment.read(lambda c: c.execute(select(RouterNode.name, RouterNode.lease_until)).all())
    except (DatabaseUnusable, SQLAlchemyError):
        return
    skew = now - deployment.now()
    if abs(skew) > SKEW:
        yield Finding(
            check="database clock",
            state=State.FAULT,
            detail=f"it differs from ours by {skew:.0f} s",
            remedy="keep both clocks right by NTP",
        )
    yield _age("commands", due, now, "does the router run? `callrouter tail` shows what fails")
    yield _age("message queues", written, now, "`callrouter carrier queue` shows which carrier takes none")
    alive = [one.name for one in nodes if one.lease_until > now]
    name = deployment.settings.router_name
    detail = f"held by {', '.join(sorted(alive))}" if alive else "no router holds one"
    if name in alive:
        detail += f"; another router here needs a name other than {name}"
    yield Finding(check="router lease", state=State.OK if alive else State.NOTE, detail=detail)


def _age(check: str, due: float | None, now: float, remedy: str) -> Finding:
    late = max(0.0, now - due) if due is not None else 0.0
    if late <= LATE:
        return Finding(check=check, state=State.OK, detail="nothing waits that is due")
    state = State.FAULT if late > TOO_LATE else State.NOTE
    return Finding(check=check, state=state, detail=f"the oldest is {late:.0f} s late", remedy=remedy)


def _skew(date: str) -> float:
    """Seconds by which an HTTP date is ahead of our clock, to the second; 0 when it is none."""
    try:
        return round(parsedate_to_datetime(date).timestamp() - time.time())
    except ValueError:
        return 0.0


def _reached(host: str) -> str:
    """Where a listener on all addresses is reached from here."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _cause(error: BaseException) -> str:
    """The innermost reason, without the library's wrapping."""
    while inner := getattr(error, "reason", None) or error.__cause__ or error.__context__:
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error)
    return " ".join(str(text).split())
