"""Runs the contact centre: callrouter with an account, a number and a carrier's simulator, and the app behind them.

`make contact-centre` calls it. It uses the command line only, as an operator would; all is in a folder that is
forgotten at the end. Settings that the environment has already, such as other ports, stay.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from werkzeug.serving import make_server

NUMBER = "+14155550199"
APP_PORT = int(os.environ.get("APP_PORT", "5000"))
COMMAND = os.path.relpath(Path(sys.executable).with_name("callrouter"))
APP_URL = f"http://127.0.0.1:{APP_PORT}"
PATIENCE = 60.0


def callrouter(*arguments: str, env: Mapping[str, str]) -> Any:
    """One command, and what it prints as JSON."""
    command = [sys.executable, "-m", "callrouter", *arguments]
    done = subprocess.run(command, env=dict(env), check=True, capture_output=True, text=True)
    return json.loads(done.stdout) if "--json" in arguments else None


def set_up(env: Mapping[str, str]) -> dict[str, str]:
    """The account that the app is written for; answers the app's settings."""
    callrouter("db", "upgrade", env=env)
    account = callrouter("account", "create", "Contact centre", "--json", env=env)
    key = callrouter("key", "create", "browsers", "--json", env=env)
    callrouter(
        "app", "create", "--name", "calls from pages", "--voice-url", f"{APP_URL}/voice", "--json", env=env
    )
    control = f"http://127.0.0.1:{os.environ.get('SIMULATOR_PORT', '9100')}/simulator"
    callrouter("carrier", "create", "simulator", "--control-url", control, "--json", env=env)
    callrouter("number", "create", NUMBER, "--voice-url", f"{APP_URL}/voice", "--json", env=env)
    return {
        "ACCOUNT_SID": account["account_sid"],
        "AUTH_TOKEN": account["auth_token"],
        "OUR_NUMBER": NUMBER,
        "PUBLIC_URL": APP_URL,
        "API_URL": router(env),
        "API_KEY": key["sid"],
        "API_SECRET": key["secret"],
        "PRESENCE_URL": f"http://{env.get('CALLROUTER_PRESENCE_BIND', '127.0.0.1:8081')}",
        "PRESENCE_HOST": f"localhost:{env.get('CALLROUTER_SIGNAL_BIND', ':8443').rpartition(':')[2]}",
    }


def router(env: Mapping[str, str]) -> str:
    return f"http://{env.get('CALLROUTER_ROUTER_BIND', '127.0.0.1:8080')}"


def until_up(url: str) -> None:
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=1):
                return
        except OSError:
            if time.monotonic() > ends:
                raise SystemExit(f"{url} did not start; see the messages above") from None
            time.sleep(0.1)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="contact-centre-") as folder:
        env = {
            "CALLROUTER_DATA_DIR": str(Path(folder)),
            "CALLROUTER_OUTBOUND_ALLOW": "127.0.0.0/8",
            "CALLROUTER_DEVELOPMENT": "true",
            "CALLROUTER_CALLS_PER_SECOND": "10",
            "CALLROUTER_LOG_LEVEL": "warning",
            **os.environ,
        }
        print("Setting up an account, a number and a carrier's simulator ...", flush=True)
        account = set_up(env)
        os.environ.update(account)
        from app import TEAMS, app  # its settings are there now

        web = make_server("127.0.0.1", APP_PORT, app, threaded=True)  # a port that is taken is said here
        threading.Thread(target=web.serve_forever, daemon=True).start()
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, and takes all along
        running = subprocess.Popen([sys.executable, "-m", "callrouter", "up"], env=env)
        try:
            until_up(router(env))
            link = callrouter("console", "--account", account["ACCOUNT_SID"], "--json", env=env)["url"]
            print(f"\nThe contact centre is open. Sign in, once within ten minutes:\n  {link}")
            print("Agents, one page each: press Register there.")
            for team, agents in TEAMS.items():
                for agent in agents.split(","):
                    print(f"  {team:8} {router(env)}/console/softphone?identity={agent}")
                    print(f"  {'':8} {APP_URL}/team?identity={agent}    who is free, and the own status")
            print(
                "Then call it, and say a team or press its key: from one more page (call any number there),"
            )
            print(f"  {'caller':8} {router(env)}/console/softphone?identity=caller")
            print("or as a phone, from another terminal:")
            call = f"{COMMAND} simulate call --from +14155550100 --to {NUMBER} --digits ww1 --tone 440"
            where = f" --router {router(env)}" if "CALLROUTER_ROUTER_BIND" in os.environ else ""
            print(f"  CALLROUTER_DATA_DIR={folder} {call}{where}")
            print(f"What was recorded: {APP_URL}/recordings, and with a RecordingUrl from there:")
            print(f"  curl -u {account['ACCOUNT_SID']}:{account['AUTH_TOKEN']} -o talk.wav RecordingUrl")
            print("Stop with Ctrl-C.\n", flush=True)
            running.wait()
        except KeyboardInterrupt:
            pass
        finally:
            running.terminate()
            running.wait()


if __name__ == "__main__":
    main()
