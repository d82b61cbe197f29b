"""`callrouter token`: access tokens for clients, exactly as Twilio's helper libraries make them."""

import click

from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, moment, print_one
from callrouter.directory import applications, keys
from callrouter.directory.errors import Refused
from callrouter.directory.keys import Key
from callrouter.directory.tokens import access_token, newest_key
from foundation import permissions
from foundation.permissions import PermissionUnknown

LONGEST_IDENTITY = 256
LONGEST_LIFE = 86_400


@click.group()
def token() -> None:
    """Access tokens, with which a client app registers."""


@token.command()
@click.option("--identity", required=True, help="Who the client is, such as alice.")
@click.option("--incoming/--no-incoming", default=True, help="Whether calls may come to it.")
@click.option("--app", metavar="AP…", help="The application that runs when it places a call.")
@click.option(
    "--permission",
    "permitted",
    metavar="WORD",
    multiple=True,
    help="What it may do with presence, such as presence:read:list:sales; may be repeated.",
)
@click.option(
    "--ttl", type=click.IntRange(1, LONGEST_LIFE), default=3600, show_default=True, help="Seconds to live."
)
@click.option("--key", "key_sid", metavar="SK…", help="The key that signs it; by default the newest.")
@account_option
@json_option
@click.pass_obj
def mint(
    deployment: Deployment,
    identity: str,
    incoming: bool,
    app: str | None,
    permitted: tuple[str, ...],
    ttl: int,
    key_sid: str | None,
    account_sid: str | None,
    as_json: bool,
) -> None:
    """Prints an access token.

    Words of --permission: presence:publish, presence:hidden, presence:read:SCOPE, presence:read:detail,
    presence:connect:SCOPE, events:subscribe[:SCOPE], messages:send. SCOPE: self, account, list:NAME or prefix:TEXT.
    """
    if not 1 <= len(identity) <= LONGEST_IDENTITY or not identity.isprintable() or " " in identity:
        raise Refused(31105, f"an identity has 1 to {LONGEST_IDENTITY} characters, none of them blank")
    try:
        permissions.parse(permitted, identity)
    except PermissionUnknown as unknown:
        raise Refused(20106, str(unknown)) from unknown
    owner, now = deployment.account(account_sid).account_sid, int(deployment.now())
    if app is not None:
        deployment.read(lambda c: applications.fetch(c, owner, app))
    key = _key(deployment, owner, key_sid)
    minted = access_token(
        key,
        deployment.keys.open(key.secret_sealed),
        identity=identity,
        incoming=incoming,
        application_sid=app,
        permissions=permitted,
        ttl=ttl,
        now=now,
    )
    if not as_json:
        click.echo(minted)
        return
    facts = {"identity": identity, "account_sid": owner, "key_sid": key.sid, "expires_at": moment(now + ttl)}
    print_one({"token": minted, **facts}, as_json)


def mint_for(deployment: Deployment, identity: str, app: str | None = None) -> str:
    """A token for an hour that may take calls, and place them when an app is named."""
    owner = deployment.account(None).account_sid
    key = _key(deployment, owner, None)
    secret = deployment.keys.open(key.secret_sealed)
    return access_token(
        key,
        secret,
        identity=identity,
        incoming=True,
        application_sid=app,
        ttl=3600,
        now=int(deployment.now()),
    )


def _key(deployment: Deployment, owner: str, sid: str | None) -> Key:
    if sid is not None:
        return deployment.read(lambda c: keys.fetch(c, owner, sid))
    found = deployment.read(lambda c: newest_key(c, owner))
    if found is None:
        raise Refused(20404, f"account {owner} has no API key; run `callrouter key create`")
    return found
