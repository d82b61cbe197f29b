"""The sign-in page, signing out, and choosing the account that is looked at."""

from flask import Blueprint, Response, jsonify, redirect, request

from callrouter.console.access import HOME, Access, local_page, wants_json
from callrouter.console.pages import page
from foundation.webserver.errors import ApiError


def add(blueprint: Blueprint, access: Access) -> None:
    @blueprint.route("/sign-in", methods=["GET", "POST"], endpoint="sign_in")
    def sign_in() -> Response:
        then = local_page(request.values.get("next", HOME))
        if request.method == "GET":
            return page("console/sign_in.html", then=then)
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise ApiError(403, 20403, "Another site sent this form. Open the console and sign in there.")
        if token := request.form.get("link", ""):
            claims, then = access.enter_by_link(token)
            return access.keep(jsonify(then=then), claims)
        given = request.form.get("account_sid", "").strip()
        try:
            claims = access.enter(given, request.form.get("secret", "").strip())
        except ApiError as error:
            if wants_json():
                raise
            wrong = page(
                "console/sign_in.html", error.status, then=then, account_sid=given, fault=error.message
            )
            wrong.headers.update(error.headers)
            return wrong
        return access.keep(_to(then), claims)

    @blueprint.post("/sign-out")
    def sign_out() -> Response:
        return access.leave(_to("/console/sign-in"))

    @blueprint.post("/account")
    def look_at_account() -> Response:
        claims = access.look_at(request.form.get("account_sid", ""))
        return access.keep(_to(HOME), claims)


def _to(path: str) -> Response:
    response = redirect(path, 303)
    assert isinstance(response, Response)
    return response
