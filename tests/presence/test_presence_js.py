"""presence.js in Node, whose `fetch` is a browser's: its pure parts, and a script of streams that break. What it does
with a real server and a real Chromium is in tests/browser."""

import json
import shutil
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
import requests
from presence_world import SECONDS, Tenant

from presence.api.browser import MODULE

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not on the path")
PRELUDE = """
import {readFileSync} from 'node:fs';
const source = readFileSync(process.argv[2], 'utf8');
const module = await import('data:text/javascript,' + encodeURIComponent(source));
const {EventParser, Presence, PresenceError, fold} = module;
const given = JSON.parse(process.argv[3]);
const say = (value) => console.log(JSON.stringify(value));
"""


def node(script: str, **given: Any) -> list[Any]:
    """What the script said."""
    assert NODE is not None
    command = [NODE, "--input-type=module", "-", str(MODULE), json.dumps(given)]
    done = subprocess.run(
        command, input=PRELUDE + script, capture_output=True, text=True, timeout=SECONDS * 3, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_server_events_in_any_pieces_are_the_same_events() -> None:
    text = ': hello\n\nevent: presence\nid: 3\ndata: {"a":\ndata:  1}\n\ndata: plain\r\n\r\nevent: ended\ndata: x'
    script = """
    for (let size = 1; size <= given.text.length; size++) {
      const parser = new EventParser(), events = [];
      for (let at = 0; at < given.text.length; at += size) events.push(...parser.feed(given.text.slice(at, at + size)));
      say(events);
    }
    """
    expected = [{"name": "presence", "data": '{"a":\n 1}'}, {"name": "message", "data": "plain"}]
    said = node(script, text=text)
    assert len(said) == len(text)
    assert all(events == expected for events in said)


def test_pr41_messages_fold_into_a_view() -> None:
    messages = [
        {"snapshot": True, "clients": [{"client": "a", "n": 1}, {"client": "b", "n": 1}], "removed": []},
        {"snapshot": False, "clients": [{"client": "b", "n": 2}], "removed": ["a", "nobody"]},
        {"snapshot": True, "clients": [{"client": "c", "n": 3}], "removed": []},
    ]
    script = """
    const view = new Map();
    for (const message of given.messages) say([...fold(view, message).values()].map((one) => one.client + one.n));
    """
    assert node(script, messages=messages) == [["a1", "b1"], ["b2"], ["c3"]]


class Streams:
    """A server of scripted streams: `(status, pieces, stays)` per connection, the last one for ever after."""

    def __init__(self, *scripts: tuple[int, list[str], bool]) -> None:
        self.asked: list[tuple[str, str | None, str | None]] = []
        streams, waiting, ended = self, list(scripts), Event()
        self._ended = ended

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers = self.headers
                streams.asked.append((self.path, headers["Authorization"], headers.get("Last-Event-ID")))
                status, pieces, stays = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                self.send_response(status)
                self.send_header("Content-Type", "text/event-stream" if status == 200 else "application/json")
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(piece.encode())
                    self.wfile.flush()
                if stays:
                    ended.wait(SECONDS)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Streams":
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()


def told(as_of: int, *names: str, snapshot: bool = False, **more: Any) -> str:
    said = {
        "as_of": as_of,
        "snapshot": snapshot,
        "clients": [{"client": name} for name in names],
        "removed": [],
    }
    return f"event: presence\ndata: {json.dumps(said | more)}\n\n"


WATCH = """
const presence = new Presence({
  host: given.host, account: 'AC1', token: 'old', protocol: 'http:',
  expiring: (seconds) => { say(['expiring', seconds]); if (!seconds) presence.updateToken('new'); },
});
const watch = presence.watch(given.selection, (view, message) => {
  say([message.as_of, [...view.keys()]]);
  if (message.as_of === given.until) { presence.close(); }
}, (state) => { if (state === 'refused') say([state]); });
"""


def test_pr43_a_watch_goes_on_where_it_broke() -> None:
    with Streams(
        (200, [told(0, "a", snapshot=True, more=True)], False),
        (200, [told(0, "a", snapshot=True, more=True), told(4, "b")], False),
        (503, ["{}"], False),
        (200, [told(4), told(6, "ü")[:30], told(6, "ü")[30:]], True),
    ) as streams:
        said = node(WATCH, host=streams.host, selection={"list": "a&b"}, until=6)
    assert said == [[4, ["a", "b"]], [4, ["a", "b"]], [6, ["a", "b", "ü"]]]
    assert [cursor for *_, cursor in streams.asked] == [None, None, "4", "4"]
    assert streams.asked[0][:2] == ("/v1/Accounts/AC1/PresenceStream?list=a%26b", "Bearer old")


def test_pr8_a_token_that_ends_is_asked_for_and_the_watch_goes_on_with_the_new_one() -> None:
    expired = json.dumps({"code": 20104, "message": "the token has expired"})
    with Streams(
        (200, [told(1, "a", snapshot=True), 'event: expiring\ndata: {"seconds": 30}\n\n'], False),
        (401, [expired], False),
        (200, [told(2, "b")], True),
    ) as streams:
        said = node(WATCH, host=streams.host, selection={}, until=2)
    assert said == [[1, ["a"]], ["expiring", 30], ["refused"], ["expiring", 0], [2, ["a", "b"]]]
    assert [token for _, token, _ in streams.asked] == ["Bearer old", "Bearer old", "Bearer new"]


INBOX = """
globalThis.setInterval = () => 0;
const claims = btoa(JSON.stringify({ grants: { identity: 'alice' } }));
const asked = [];
const real = globalThis.fetch;
globalThis.fetch = (url, options = {}) => {
  if (String(url).includes('MessageStream')) return real(url, options);
  const path = new URL(url).pathname.split('/').slice(4).join('/'), made = options.method === 'POST';
  asked.push([options.method, path, options.body ? JSON.parse(options.body) : null]);
  return Promise.resolve(new Response(made ? '{"sid": "RG1"}' : null, { status: made ? 201 : 204 }));
};
const presence = new Presence({ host: given.host, account: 'AC1', token: `a.${claims}.c`, protocol: 'http:' });
let failed = false;
const inbox = presence.messages('desk', (message) => {
  if (message.sid === 'SM2' && !failed) { failed = true; throw new Error('not shown'); }
  say(message.sid);
  if (message.sid === 'SM3') setTimeout(() => { presence.close(); setTimeout(() => say(asked), 50); }, 50);
});
console.error = () => {};
"""


def test_pr72_a_page_shows_each_message_once_and_acknowledges_what_it_has_shown() -> None:
    def message(sid: str) -> str:
        return f"event: message\ndata: {json.dumps({'sid': sid, 'body': 'hi'})}\n\n"

    with Streams(
        (200, [message("SM1"), message("SM2")], False),
        (200, [message("SM1"), message("SM2"), message("SM3")], True),
    ) as streams:
        *shown, asked = node(INBOX, host=streams.host)
    assert shown == ["SM1", "SM2", "SM3"]
    assert streams.asked[0][0] == "/v1/Accounts/AC1/Clients/alice/MessageStream?endpoint_id=desk"
    acknowledged = [path.split("/")[-2] for _, path, _ in asked if path.endswith("Acknowledgements")]
    assert acknowledged == ["SM1", "SM1", "SM2", "SM3"]
    device = {"endpoint_id": "desk", "capabilities": ["sms", "mms"], "ttl": 90}
    assert asked[0] == ["POST", "Clients/alice/Registrations", device]
    assert asked[-1] == ["DELETE", "Clients/alice/Registrations/RG1", None]


def test_what_is_refused_for_good_ends_the_watch() -> None:
    with Streams((403, [json.dumps({"code": 20403, "message": "no"})], False)) as streams:
        assert node(WATCH, host=streams.host, selection={"prefix": "x"}, until=0) == [["refused"]]
    assert len(streams.asked) == 1


def test_the_module_is_served_to_pages_of_any_origin(tenant: Tenant) -> None:
    base = tenant.world.settings.presence_base()
    found = requests.get(f"{base}/presence.js", headers={"Origin": "https://a.example"}, timeout=SECONDS)
    assert found.text == MODULE.read_text()
    assert found.headers["Content-Type"].startswith("text/javascript")
    assert found.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "Origin" in found.headers["Vary"]
    secure = f"https://localhost:{tenant.world.settings.signal_bind.rpartition(':')[2]}/presence.js"
    authority = str(tenant.world.settings.data_dir / "tls" / "ca.pem")
    again = requests.get(
        secure, headers={"If-None-Match": found.headers["ETag"]}, verify=authority, timeout=SECONDS
    )
    assert again.status_code == 304
