"""Runs the support desk: callrouter with an account and a number, and the app behind them.

It uses the command line only, as an operator would; all is in a folder that is forgotten at the end. Settings that the
environment has already, such as other ports, stay.
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

NUMBER, PHONE = "+14155550199", "+14155550100"
APP_PORT = int(os.environ.get("APP_PORT", "5000"))
APP_URL = f"http://127.0.0.1:{APP_PORT}"
COMMAND = os.path.relpath(Path(sys.executable).with_name("callrouter"))
PATIENCE = 60.0


def callrouter(*arguments: str, env: Mapping[str, str]) -> Any:
    """One command, and what it prints as JSON."""
    command = [sys.executable, "-m", "callrouter", *arguments]
    done = subprocess.run(command, env=dict(env), check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout) if "--json" in arguments else None


def set_up(env: Mapping[str, str]) -> dict[str, str]:
    """The account that the app is written for; answers the app's settings."""
    callrouter("db", "upgrade", env=env)
    account = callrouter("account", "create", "Support desk", "--json", env=env)
    key = callrouter("key", "create", "pages", "--json", env=env)
    control = f"http://127.0.0.1:{os.environ.get('SIMULATOR_PORT', '9100')}/simulator"
    callrouter("carrier", "create", "simulator", "--control-url", control, "--json", env=env)
    callrouter("number", "create", NUMBER, "--sms-url", f"{APP_URL}/sms", "--json", env=env)
    return {
        "ACCOUNT_SID": account["account_sid"],
        "AUTH_TOKEN": account["auth_token"],
        "API_KEY": key["sid"],
        "API_SECRET": key["secret"],
        "API_URL": router(env),
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
    with tempfile.TemporaryDirectory(prefix="text-support-") as folder:
        env = {
            "CALLROUTER_DATA_DIR": folder,
            "CALLROUTER_OUTBOUND_ALLOW": "127.0.0.0/8",
            "CALLROUTER_DEVELOPMENT": "true",
            "CALLROUTER_LOG_LEVEL": "warning",
            **os.environ,
        }
        print("Setting up an account and a number ...", flush=True)
        os.environ.update(set_up(env))
        from app import AGENTS, app  # its settings are there now

        web = make_server("127.0.0.1", APP_PORT, app, threaded=True)  # a port that is taken is said here
        threading.Thread(target=web.serve_forever, daemon=True).start()
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, and takes all along
        running = subprocess.Popen([sys.executable, "-m", "callrouter", "up"], env=env)
        try:
            until_up(router(env))
            print("\nThe support desk is open. Agents, one page each:")
            for agent in AGENTS:
                print(f"  {APP_URL}/?identity={agent}")
            print("Write to it as a phone, from another terminal; it waits a minute for two answers:")
            where = f" --router {router(env)}" if "CALLROUTER_ROUTER_BIND" in os.environ else ""
            text = f"simulate text --from {PHONE} --to {NUMBER} --wait 60 --answers 2{where} 'Is it open?'"
            print(f"  CALLROUTER_DATA_DIR={env['CALLROUTER_DATA_DIR']} {COMMAND} {text}")
            print("Stop with Ctrl-C.\n", flush=True)
            running.wait()
        except KeyboardInterrupt:
            pass
        finally:
            running.terminate()
            running.wait()


if __name__ == "__main__":
    main()
