"""What the router's process does for REST by itself: it fires usage triggers, and keeps back calls of the suspended."""

from collections.abc import Iterator

import pytest
from twilio.request_validator import RequestValidator

from callrouter import models
from tests.support.deployment import Deployment
from tests.support.origin import Origin, reply

HANGUP = "<Response><Hangup/></Response>"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A router alone: without a presence server no client can be reached."""
    deployment = Deployment(tmp_path_factory.mktemp("running"), calls_per_second=0.5)
    try:
        deployment.start("router")
        yield deployment
    finally:
        deployment.close()


def test_queued_calls_of_a_suspended_account_do_not_leave(running: Deployment) -> None:
    """twilio-surface 5.6."""
    owner = running.tenant().rest
    branch = owner.api.v2010.accounts.create()
    calls = owner.api.v2010.accounts(branch.sid).calls
    ends = {"to": "client:alice", "from_": "client:shop", "twiml": HANGUP}
    _first, second = calls.create(**ends), calls.create(**ends)
    assert second.status == "queued"
    owner.api.v2010.accounts(branch.sid).update(status="suspended")
    running.wait_until(lambda: calls(second.sid).fetch().status != "queued", "the second call had its turn")
    (row,) = running.rows(models.Call, models.Call.sid == second.sid)
    assert (row.status, row.ended_because) == ("failed", "not-allowed")
    codes = [
        note.error_code
        for note in owner.api.v2010.accounts(branch.sid).calls(second.sid).notifications.list()
    ]
    assert codes == ["20005"]


def test_a_trigger_is_called_back_and_signed(running: Deployment) -> None:
    tenant = running.tenant()
    with Origin({"/usage": reply(204)}) as app:
        url = app.url("/usage")
        trigger = tenant.rest.usage.triggers.create(
            usage_category="calls", trigger_value="0", callback_url=url
        )
        running.stop("router")
        running.start("router")  # which looks when it starts
        running.wait_until(lambda: app.received, "the trigger was called back")
        running.wait_until(
            lambda: not running.rows(models.Outbox, models.Outbox.kind == "callback"), "it is done"
        )
        (request,) = app.received
    assert request.form["UsageTriggerSid"] == trigger.sid
    assert request.form["UsageRecordUri"].startswith(
        f"{running.router_url}/2010-04-01/Accounts/{tenant.sid}/"
    )
    signature = request.headers["x-twilio-signature"]
    assert RequestValidator(tenant.auth_token).validate(url, request.form, signature)
    assert trigger.fetch().date_fired is not None
