"""Applications match addresses as Flask's do, and build them when asked."""

from flask import url_for

from foundation.webserver.application import Application


def test_addresses_are_matched_and_built() -> None:
    app = Application("routes")
    app.add_url_rule("/calls/<sid>.json", "call", lambda sid: sid)
    app.add_url_rule("/calls/<sid>", "page", lambda sid: f"page of {sid}", defaults={"sid": "none"})
    client = app.test_client()
    assert client.get("/calls/CA1.json").text == "CA1"
    assert client.get("/calls").status_code == 404
    with app.test_request_context("/"):
        assert url_for("call", sid="CA1") == "/calls/CA1.json"
        assert url_for("call", sid="CA1", page="2") == "/calls/CA1.json?page=2"
        assert url_for("call", sid="a b", _external=True) == "http://localhost/calls/a%20b.json"
