"""`callrouter console`: a link that signs in to the console."""

import click

from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, print_one
from callrouter.console.access import HOME, LINK_SECONDS, local_page, sign_in_link


@click.command()
@account_option
@click.option("--page", default=HOME, metavar="PATH", help="The page to show first.", show_default=True)
@json_option
@click.pass_obj
def console(deployment: Deployment, account_sid: str | None, page: str, as_json: bool) -> None:
    """Prints a link that signs you in to the console: as the operator, or as one account.

    It is good once, for ten minutes. The router must run.
    """
    if local_page(page) != page:
        raise click.BadParameter("a page of the console begins with /console/", param_hint="--page")
    owner = deployment.account(account_sid).account_sid if account_sid else None
    link = sign_in_link(deployment.keys, deployment.settings.router_base(), owner, page)
    if as_json:
        print_one({"url": link, "account_sid": owner, "expires_in": LINK_SECONDS}, True)
    else:
        click.echo(link)
