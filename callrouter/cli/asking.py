"""Commands that ask the presence server, which must run: it alone knows who is there."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from callrouter.cli.deployment import Deployment
from callrouter.directory.errors import Refused
from presence.client import AccountPresence, PresenceClient, PresenceRefused, PresenceUnavailable


@contextmanager
def presence_server(deployment: Deployment) -> Iterator[PresenceClient]:
    """The presence server as one of our own servers asks it; its faults in one line."""
    where = deployment.settings.presence_base()
    client = PresenceClient(where, deployment.keys, issuer="cli")
    try:
        yield client
    except PresenceUnavailable as error:
        raise click.ClickException(
            f"{error}; does it run at {where}? `callrouter run presence` starts it"
        ) from error
    except PresenceRefused as refused:
        raise Refused(refused.code, refused.message.removesuffix("."), refused.status) from refused
    finally:
        client.close()


@contextmanager
def account_presence(deployment: Deployment, account_sid: str | None) -> Iterator[AccountPresence]:
    """The same for one account: the option, else the setting, else the only one."""
    owner = deployment.account(account_sid).account_sid
    with presence_server(deployment) as server:
        yield server.account(owner)
