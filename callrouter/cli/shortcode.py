"""`callrouter shortcode`: the short codes of an account."""

import click

from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, print_many, print_one, public
from callrouter.cli.webhooks import SHORT_CODE, given, options
from callrouter.directory import short_codes
from callrouter.directory.errors import Missing
from callrouter.directory.rows import values
from callrouter.directory.short_codes import ROWS, ShortCode
from foundation.sids import SHORT_CODE as PREFIX
from foundation.sids import is_sid, new_sid

COLUMNS = ("sid", "short_code", "friendly_name", "sms_url", "carrier")


@click.group()
def shortcode() -> None:
    """Numbers of 3 to 6 digits that send and get messages."""


@shortcode.command()
@click.argument("short_code", metavar="12345")
@options(SHORT_CODE)
@account_option
@json_option
@click.pass_obj
def create(
    deployment: Deployment,
    /,
    short_code: str,
    account_sid: str | None,
    as_json: bool,
    **settings: str | None,
) -> None:
    """Gives the account a short code, which its carriers must know."""
    owner = deployment.account(account_sid).account_sid
    sid, now = new_sid(PREFIX), deployment.now()
    made = deployment.write(
        lambda c: short_codes.create(
            c, account_sid=owner, sid=sid, short_code=short_code, settings=given(settings), now=now
        )
    )
    print_one(public(made), as_json)


@shortcode.command("list")
@account_option
@json_option
@click.pass_obj
def list_(deployment: Deployment, account_sid: str | None, as_json: bool) -> None:
    """The account's short codes."""
    query = short_codes.listed(deployment.account(account_sid).account_sid).order_by(ROWS.c.short_code)
    found = deployment.read(lambda c: values(ShortCode, c, query))
    print_many([public(one) for one in found], COLUMNS, as_json)


@shortcode.command()
@click.argument("short_code", metavar="SC…|12345")
@account_option
@json_option
@click.pass_obj
def show(deployment: Deployment, short_code: str, account_sid: str | None, as_json: bool) -> None:
    """One short code, by its SID or by itself."""
    print_one(public(_find(deployment, short_code, account_sid)), as_json)


@shortcode.command()
@click.argument("short_code", metavar="SC…|12345")
@options(SHORT_CODE)
@account_option
@json_option
@click.pass_obj
def update(
    deployment: Deployment, /, short_code: str, account_sid: str | None, as_json: bool, **settings: str | None
) -> None:
    """Changes what is given; an empty text unsets it."""
    found, now = _find(deployment, short_code, account_sid), deployment.now()
    changed = deployment.write(
        lambda c: short_codes.change(c, found.account_sid, found.sid, given(settings), now)
    )
    print_one(public(changed), as_json)


@shortcode.command()
@click.argument("short_code", metavar="SC…|12345")
@account_option
@json_option
@click.pass_obj
def delete(deployment: Deployment, short_code: str, account_sid: str | None, as_json: bool) -> None:
    """Takes it from the account; messages to it are refused from now on."""
    found = _find(deployment, short_code, account_sid)
    deployment.write(lambda c: short_codes.remove(c, found.account_sid, found.sid))
    print_one({"deleted": found.sid, "short_code": found.short_code}, as_json)


def _find(deployment: Deployment, short_code: str, account_sid: str | None) -> ShortCode:
    owner = deployment.account(account_sid).account_sid
    if is_sid(short_code, PREFIX):
        return deployment.read(lambda c: short_codes.fetch(c, owner, short_code))
    query = short_codes.listed(owner, short_code=short_code)
    found = deployment.read(lambda c: values(ShortCode, c, query))
    if not found:
        raise Missing(f"Short code {short_code}")
    return found[0]
