"""Who gets in to the console, and what a session is good for."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from console_world import OPERATOR_KEY, ConsoleWorld
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from callrouter import models
from callrouter.console import access
from callrouter.console.access import LINK_SECONDS, SESSION_SECONDS, local_page, network, sign_in_link
from callrouter.directory import accounts, credentials, keys
from foundation.sids import API_KEY, new_sid


def test_nobody_sees_a_page_without_signing_in(world: ConsoleWorld) -> None:
    answer = world.stranger().client.get("/console/?x=1", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.location) == (303, "/console/sign-in?next=/console/%3Fx%3D1")
    assert "signed out" in world.stranger().json("/console/overview.json", 401)["message"]


def test_every_page_needs_a_session(world: ConsoleWorld) -> None:
    """Also those that are added after this test was written."""
    stranger = world.stranger().client
    for rule in world.app.url_map.iter_rules():
        if not rule.endpoint.startswith("console.") or rule.endpoint in ("console.static", "console.sign_in"):
            continue
        path = re.sub(r"<any\((\w+)[^>]*>", r"\1", rule.rule)
        path = re.sub(r"<[^>]+>", "0", path)
        for method in (rule.methods or set()) & {"GET", "POST"}:
            answer = stranger.open(path, method=method, headers={"Accept": "application/json"})
            assert answer.status_code == 401, (method, path, answer.status)


def test_an_account_signs_in_by_its_auth_token_and_goes_where_it_wanted(world: ConsoleWorld) -> None:
    sid, token = world.account()
    stranger = world.stranger().client
    form = {"account_sid": f" {sid} ", "secret": token, "next": "/console/numbers?status=x"}
    answer = stranger.post("/console/sign-in", data=form)
    assert (answer.status_code, answer.location) == (303, "/console/numbers?status=x")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/console" in cookie
    assert "Acme" in world.owner((sid, token)).get("/console/")


def test_behind_https_the_cookie_is_for_https_only(tmp_path: object) -> None:
    world = ConsoleWorld(tmp_path, {"router_url": "https://calls.example"})  # type: ignore[arg-type]
    answer = world.stranger().client.post("/console/sign-in", data={"secret": OPERATOR_KEY})
    assert "Secure" in answer.headers["Set-Cookie"]
    world.close()


@pytest.mark.parametrize("which", ["token", "account", "key", "operator", "empty", "hostile"])
def test_wrong_credentials_are_refused_in_words(world: ConsoleWorld, which: str) -> None:
    sid, token = world.account()
    key, secret = new_sid(API_KEY), credentials.new_secret()
    sealed = credentials.seal(world.keys, secret)
    world.write(lambda c: keys.create(c, account_sid=sid, sid=key, credential=sealed, now=1.0, main=True))
    form = {
        "token": (sid, "0" * 32),
        "account": (f"AC{'0' * 32}", token),
        "key": (key, secret),
        "operator": ("", "k" * 32),
        "empty": ("", ""),
        "hostile": ("\0'<script>", "\ud800"),
    }[which]
    form_data = {
        "account_sid": form[0],
        "secret": form[1].encode("utf-8", "surrogatepass").decode("latin-1"),
    }
    answer = world.stranger().client.post("/console/sign-in", data=form_data, headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "are not right" in answer.text
    assert "<script>alert" not in answer.text
    assert "Set-Cookie" not in answer.headers


def test_after_ten_wrong_ones_an_address_waits(world: ConsoleWorld) -> None:
    browser, form = world.stranger().client, {"account_sid": "", "secret": "wrong"}
    assert [browser.post("/console/sign-in", data=form).status_code for _ in range(11)] == [401] * 10 + [429]
    right = browser.post("/console/sign-in", data={"secret": OPERATOR_KEY}, headers={"Accept": "text/html"})
    assert right.status_code == 429
    assert "Wait a minute" in right.text
    assert right.headers["Retry-After"] == "60"
    other = {"REMOTE_ADDR": "192.0.2.7"}
    for _ in range(11):  # right ones do not count
        elsewhere = browser.post("/console/sign-in", data={"secret": OPERATOR_KEY}, environ_base=other)
        assert elsewhere.status_code == 303


def test_of_many_guesses_at_once_no_more_are_looked_at(
    world: ConsoleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten are looked at before the first is answered; the others are turned away unseen."""
    looking = threading.Barrier(10)

    def wrong(_given: str, _expected: str) -> bool:
        looking.wait(30)
        return False

    def guess(_number: int) -> int:
        return world.stranger().client.post("/console/sign-in", data={"secret": "wrong"}).status_code

    monkeypatch.setattr(access, "_same", wrong)
    with ThreadPoolExecutor(12) as guessers:
        assert sorted(guessers.map(guess, range(12))) == [401] * 10 + [429] * 2


def test_one_ipv6_customer_is_one_address() -> None:
    assert network("2001:db8:1:2::9") == network("2001:db8:1:2:ffff::1") != network("2001:db8:1:3::9")
    assert network("::ffff:192.0.2.1") == network("192.0.2.1")


def test_a_session_ends_after_twelve_hours(world: ConsoleWorld) -> None:
    owner = world.owner(world.account())
    world.now.seconds += SESSION_SECONDS - 60
    owner.get("/console/")
    owner.post("/console/account", account_sid="AC")  # looking at something else does not lengthen it
    world.now.seconds += 120
    owner.get("/console/", 303)


@pytest.mark.parametrize("forged", ["", "x", "eyJ3aG8iOiJvcGVyYXRvciJ9.x.y", "é", "link"])
def test_a_forged_cookie_is_no_session(world: ConsoleWorld, forged: str) -> None:
    operator = world.operator()
    name = next(iter(operator.client._cookies.values())).key  # type: ignore[union-attr]
    if forged == "link":  # a token of ours that was made for another purpose
        forged = sign_in_link(world.keys, "").partition("#")[2]
    operator.client.set_cookie(name, forged, path="/console")
    operator.get("/console/", 303)


def test_a_session_ends_with_the_secret_that_opened_it(world: ConsoleWorld) -> None:
    sid, token = world.account()
    owner = world.owner((sid, token))
    table = models.Account
    world.write(lambda c: c.execute(update(table).values(auth_token_hash="other")))
    owner.get("/console/", 303)


def test_a_suspended_account_is_out_at_once(world: ConsoleWorld) -> None:
    sid, token = world.account()
    owner = world.owner((sid, token))
    world.write(lambda c: accounts.change(c, sid, now=2.0, status="suspended"))
    owner.get("/console/", 303)
    again = world.stranger().client.post("/console/sign-in", data={"account_sid": sid, "secret": token})
    assert again.status_code == 403


@pytest.mark.parametrize("token", [None, "", "x"])
def test_a_change_without_the_sessions_token_is_refused(world: ConsoleWorld, token: str | None) -> None:
    owner = world.owner(world.account())
    form = {} if token is None else {"csrf": token}
    answer = owner.client.post("/console/sign-out", data=form, headers={"Accept": "text/html"})
    assert answer.status_code == 403
    assert "another session" in answer.text
    owner.get("/console/")


def test_another_site_cannot_sign_us_in(world: ConsoleWorld) -> None:
    sid, token = world.account()
    answer = world.stranger().client.post(
        "/console/sign-in",
        data={"account_sid": sid, "secret": token},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403


def test_signing_out_ends_it(world: ConsoleWorld) -> None:
    owner = world.owner(world.account())
    assert owner.post("/console/sign-out").status_code == 303
    owner.get("/console/", 303)


def test_an_account_looks_at_its_subaccounts_and_at_no_other(world: ConsoleWorld) -> None:
    account, other = world.account(), world.account("Rival")
    branch, _ = world.account("Branch", owner=account[0])
    owner = world.owner(account)
    assert "Branch" in owner.get("/console/")
    assert owner.post("/console/account", account_sid=branch).status_code == 303
    assert owner.post("/console/account", account_sid=other[0]).status_code == 404
    assert "Rival" not in owner.get("/console/")
    assert "Rival" in world.operator(other[0]).get("/console/")


def test_a_link_signs_in_once(world: ConsoleWorld) -> None:
    sid, _ = world.account()
    address, _, token = sign_in_link(world.keys, "http://x", sid, "/console/numbers").partition("#")
    assert address == "http://x/console/sign-in"
    browser = world.stranger().client
    first = browser.post("/console/sign-in", data={"link": token}, headers={"Accept": "application/json"})
    assert first.get_json() == {"then": "/console/numbers"}
    assert browser.get("/console/", headers={"Accept": "text/html"}).status_code == 200
    again = browser.post("/console/sign-in", data={"link": token}, headers={"Accept": "application/json"})
    assert again.get_json() == {"then": "/console/numbers"}  # here it has done its work already
    elsewhere = world.stranger().client.post(
        "/console/sign-in", data={"link": token}, headers={"Accept": "application/json"}
    )
    assert elsewhere.status_code == 401
    assert "callrouter console" in elsewhere.get_json()["message"]


def test_a_link_for_another_account_changes_the_session(world: ConsoleWorld) -> None:
    first, second = world.account("First"), world.account("Second")
    owner = world.owner(first)
    link = sign_in_link(world.keys, "", second[0]).partition("#")[2]
    owner.client.post("/console/sign-in", data={"link": link}, headers={"Accept": "application/json"})
    assert "Second" in owner.get("/console/")
    used = world.owner(first).client.post(
        "/console/sign-in", data={"link": link}, headers={"Accept": "application/json"}
    )
    assert used.status_code == 401


@pytest.mark.parametrize("wrong", ["late", "forged", "cookie", "suspended"])
def test_a_link_that_is_no_good_says_so(world: ConsoleWorld, wrong: str) -> None:
    sid, token = world.account()
    link = sign_in_link(world.keys, "", sid).partition("#")[2]
    if wrong == "late":
        world.now.seconds += LINK_SECONDS + 60
    elif wrong == "forged":
        link = link[:-2] + "xx"
    elif wrong == "cookie":
        link = next(iter(world.owner((sid, token)).client._cookies.values())).value  # type: ignore[union-attr]
    else:
        world.write(lambda c: accounts.change(c, sid, now=2.0, status="suspended"))
    answer = world.stranger().client.post(
        "/console/sign-in", data={"link": link}, headers={"Accept": "application/json"}
    )
    assert answer.status_code == (403 if wrong == "suspended" else 401)


@pytest.mark.parametrize(
    ("given", "page"),
    [
        ("/console/calls?x=1", "/console/calls?x=1"),
        ("https://evil.example/", "/console/"),
        ("//evil.example", "/console/"),
        ("/console/\\evil", "/console/"),
        ("/console/\r\nSet-Cookie: a=b", "/console/"),
        ("/consolex", "/console/"),
    ],
)
def test_signing_in_leads_nowhere_else(given: str, page: str) -> None:
    assert local_page(given) == page


def test_pages_have_a_strict_policy(world: ConsoleWorld) -> None:
    answer = world.owner(world.account()).client.get("/console/", headers={"Accept": "text/html"})
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Referrer-Policy"]) == (
        "nosniff",
        "no-referrer",
    )
    assert " style=" not in answer.text
    assert "<script>" not in answer.text


def test_a_database_that_goes_away_is_said_in_a_page(
    world: ConsoleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the page's frame would ask it for the accounts to choose from."""
    owner, first = world.owner(world.account()), iter([world.parts.database.read()])

    def away() -> Any:
        for one in first:
            return one  # who is there was still known
        raise OperationalError("SELECT", {}, Exception("the server closed the connection"))

    monkeypatch.setattr(world.parts.database, "read", away)
    assert "The database is busy; nothing was stored" in owner.get("/console/calls", 503)


def test_what_is_not_there_is_said_in_a_page(world: ConsoleWorld) -> None:
    assert "There is no such page" in world.owner(world.account()).get("/console/nowhere", 404)
