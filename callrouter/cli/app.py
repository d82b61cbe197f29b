"""`callrouter app`: TwiML applications of an account."""

import click

from callrouter import models
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, print_many, print_one, public
from callrouter.cli.webhooks import APPLICATION, given, options
from callrouter.directory import applications
from callrouter.directory.applications import Application
from callrouter.directory.rows import values
from foundation.sids import APPLICATION as PREFIX
from foundation.sids import new_sid


@click.group()
def app() -> None:
    """TwiML applications: webhooks under one name; what runs when a client places a call."""


@app.command()
@options(APPLICATION)
@account_option
@json_option
@click.pass_obj
def create(deployment: Deployment, /, account_sid: str | None, as_json: bool, **settings: str | None) -> None:
    """Makes an application."""
    owner = deployment.account(account_sid).account_sid
    sid, now = new_sid(PREFIX), deployment.now()
    made = deployment.write(
        lambda c: applications.create(c, account_sid=owner, sid=sid, settings=given(settings), now=now)
    )
    print_one(public(made), as_json)


@app.command("list")
@account_option
@json_option
@click.pass_obj
def list_(deployment: Deployment, account_sid: str | None, as_json: bool) -> None:
    """The account's applications, oldest first."""
    owner = deployment.account(account_sid).account_sid
    query = applications.listed(owner).order_by(models.Application.date_created)
    found = deployment.read(lambda c: values(Application, c, query))
    print_many([public(one) for one in found], ("sid", "friendly_name", "voice_url", "sms_url"), as_json)


@app.command()
@click.argument("sid", metavar="AP…")
@account_option
@json_option
@click.pass_obj
def show(deployment: Deployment, sid: str, account_sid: str | None, as_json: bool) -> None:
    """One application."""
    owner = deployment.account(account_sid).account_sid
    print_one(public(deployment.read(lambda c: applications.fetch(c, owner, sid))), as_json)


@app.command()
@click.argument("sid", metavar="AP…")
@options(APPLICATION)
@account_option
@json_option
@click.pass_obj
def update(
    deployment: Deployment, /, sid: str, account_sid: str | None, as_json: bool, **settings: str | None
) -> None:
    """Changes what is given; an empty text unsets it."""
    owner, now = deployment.account(account_sid).account_sid, deployment.now()
    changed = deployment.write(lambda c: applications.change(c, owner, sid, given(settings), now))
    print_one(public(changed), as_json)


@app.command()
@click.argument("sid", metavar="AP…")
@account_option
@json_option
@click.pass_obj
def delete(deployment: Deployment, sid: str, account_sid: str | None, as_json: bool) -> None:
    """Deletes it."""
    owner = deployment.account(account_sid).account_sid
    deployment.write(lambda c: applications.remove(c, owner, sid))
    print_one({"deleted": sid}, as_json)
