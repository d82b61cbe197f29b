"""Sets the scene: an account with a key, a number, an application and a carrier, in a fresh data directory."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from callrouter.cli.deployment import Deployment
from callrouter.directory import accounts, applications, carriers, credentials, keys, numbers
from callrouter.directory.credentials import seal
from callrouter.scenario.ports import free_ports
from foundation.sids import ACCOUNT, API_KEY, APPLICATION, CARRIER, PHONE_NUMBER, new_sid

NUMBER = "+14155550199"
CALLER = "+14155550100"
CARRIER_NAME = "simulator"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What was made, for the people who want to go on with it."""

    account_sid: str
    auth_token: str = field(repr=False)
    application_sid: str


def environment(folder: Path) -> dict[str, str]:
    """Settings of a deployment that meets no other one on this machine."""
    ports = free_ports(6)
    values = {
        "data_dir": str(folder),
        "router_bind": f"127.0.0.1:{ports[0]}",
        "presence_bind": f"127.0.0.1:{ports[1]}",
        "signal_bind": f"127.0.0.1:{ports[2]}",
        "voice_control": f"127.0.0.1:{ports[3]}",
        "voice_webrtc_port": str(ports[4]),
        "media_bind": f"127.0.0.1:{ports[5]}",
        "outbound_allow": "127.0.0.0/8",
        "development": "true",
        "log_level": "warning",
    }
    return {f"CALLROUTER_{name.upper()}": value for name, value in values.items()}


def build(deployment: Deployment, app_url: str, control_url: str) -> Stage:
    """Writes the scene; the presence server learns of it by itself."""
    now = time.time()
    account_sid, key_sid, application_sid = new_sid(ACCOUNT), new_sid(API_KEY), new_sid(APPLICATION)
    token = credentials.new_secret()
    of_account, of_key = seal(deployment.keys, token), seal(deployment.keys, credentials.new_secret())
    carrier_secret = deployment.keys.seal(credentials.new_secret())
    number_sid, carrier_sid = new_sid(PHONE_NUMBER), new_sid(CARRIER)

    def unit(connection: Connection) -> None:
        accounts.create(connection, sid=account_sid, friendly_name="Demo", credential=of_account, now=now)
        keys.create(connection, account_sid=account_sid, sid=key_sid, credential=of_key, now=now)
        applications.create(
            connection,
            account_sid=account_sid,
            sid=application_sid,
            settings={"friendly_name": "Softphone", "voice_url": f"{app_url}/outgoing"},
            now=now,
        )
        carriers.create(
            connection,
            name=CARRIER_NAME,
            sid=carrier_sid,
            control_url=control_url,
            secret_sealed=carrier_secret,
            now=now,
        )
        numbers.create(
            connection,
            account_sid=account_sid,
            sid=number_sid,
            phone_number=NUMBER,
            settings={"voice_url": f"{app_url}/voice"},
            now=now,
        )

    deployment.write(unit)
    return Stage(account_sid=account_sid, auth_token=token, application_sid=application_sid)
