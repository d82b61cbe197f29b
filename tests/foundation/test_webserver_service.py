"""Service tokens, error answers and health, by Flask's test client."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from foundation.db import DatabaseClosed, DatabaseOverloaded
from foundation.keys import SKEW, Keys
from foundation.webserver.database import handle_database_errors
from foundation.webserver.errors import handle_errors
from foundation.webserver.health import health
from foundation.webserver.peers import demand_service
from foundation.webserver.service import LIFE, service_token

MASTER = "k" * 40
ERROR_KEYS = {"code", "message", "more_info", "status"}


def client(now_is_later_by: float = 0) -> FlaskClient:
    app = Flask("service")
    keys = Keys([MASTER], clock=lambda: datetime.now(UTC) + timedelta(seconds=now_is_later_by))
    app.before_request(demand_service(keys, "presence"))
    handle_errors(app)
    app.add_url_rule("/", view_func=lambda: "in")
    return app.test_client()


def good() -> str:
    return service_token(Keys([MASTER]), "presence", "router")


STRANGERS: dict[str, Callable[[], str]] = {
    "nothing": str,
    "a scheme": lambda: "Bearer",
    "a scheme and a blank": lambda: "Bearer ",
    "no scheme": good,
    "another scheme": lambda: f"Basic {good()}",
    "a letter more": lambda: f"Bearer {good()}x",
    "twice": lambda: f"Bearer {good()},Bearer {good()}",
    "another audience": lambda: f"Bearer {service_token(Keys([MASTER]), 'router', 'presence')}",
    "another deployment": lambda: f"Bearer {service_token(Keys(['o' * 40]), 'presence', 'router')}",
    "another purpose": lambda: f"Bearer {Keys([MASTER]).sign('presence', {'iss': 'router'})}",
    "letters beyond ASCII": lambda: "Bearer gr\u00fc\u00df",
    "bytes beyond UTF-8": lambda: "Bearer \u00ff\u00fe",
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_pr9_only_our_own_servers_come_in(stranger: str) -> None:
    authorization = STRANGERS[stranger]()
    answer = client().get("/", headers={"Authorization": authorization} if authorization else {})
    assert answer.status_code == 401
    assert set(answer.get_json()) == ERROR_KEYS
    assert answer.get_json()["code"] == 20003
    assert good() not in answer.text


@pytest.mark.parametrize(
    ("later", "status"),
    [(0, 200), (LIFE + SKEW - 2, 200), (LIFE + SKEW + 2, 401), (2 - SKEW, 200), (-SKEW - 2, 401)],
)
def test_i16_a_service_token_lives_five_minutes_and_bears_some_skew(later: float, status: int) -> None:
    assert client(later).get("/", headers={"Authorization": f"Bearer {good()}"}).status_code == status


@pytest.mark.parametrize(
    "fault",
    [
        OperationalError("INSERT", {}, Exception("database is locked")),
        PoolExhausted("no connection"),
        DatabaseOverloaded("full"),
        DatabaseClosed("stopping"),
    ],
)
def test_f1_a_database_that_fails_is_503_and_says_try_again(fault: Exception) -> None:
    app = Flask("failing")
    handle_errors(app)
    handle_database_errors(app)

    @app.get("/")
    def view() -> str:
        raise fault

    answer = app.test_client().get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert set(answer.get_json()) == ERROR_KEYS
    assert "INSERT" not in answer.text


def test_health_tells_what_is_wrong() -> None:
    def broken() -> str | None:
        raise ZeroDivisionError

    app = Flask("healthy")
    faults: dict[str, str | None] = {"voice": None}
    app.register_blueprint(health({"voice": lambda: faults["voice"], "database": lambda: None}))
    http = app.test_client()
    assert http.get("/livez").get_json() == {"status": "ok"}
    assert http.get("/readyz").get_json() == {"status": "ok", "faults": {}}
    faults["voice"] = "no voice node answers"
    answer = http.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (
        503,
        {"status": "degraded", "faults": {"voice": "no voice node answers"}},
    )
    assert http.get("/livez").status_code == 200
    assert b"python_info" in http.get("/metrics").data

    app = Flask("broken")
    app.register_blueprint(health({"database": broken}))
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["faults"] == {"database": "the check itself failed: ZeroDivisionError"}
