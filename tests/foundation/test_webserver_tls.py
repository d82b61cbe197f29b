"""TLS listeners and WebSockets on the same server."""

import datetime
import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from foundation.webserver.serve import FRAME_LIMIT, CertificateUnusable
from tests.foundation.webserver_world import SECONDS, Recorded, Served, Views


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A throw-away certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "throw-away")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tls")
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return chain, private


def test_plain_and_tls_listeners_serve_one_app(pem: tuple[Path, Path]) -> None:
    views = Views()
    plain, tls = Recorded(), Recorded(certificate=str(pem[0]), key=str(pem[1]))
    bridge = views.bridge()
    with Served(bridge, plain, tls):
        for scheme, listener, verify in (("http", plain, True), ("https", tls, str(pem[0]))):
            url = f"{scheme}://127.0.0.1:{listener.ports[0]}/echo"
            assert requests.get(url, verify=verify, timeout=SECONDS).json()["scheme"] == scheme
    bridge.close()


def test_tls_before_1_2_is_refused(pem: tuple[Path, Path]) -> None:
    tls = Recorded(certificate=str(pem[0]), key=str(pem[1]))
    context = ssl.create_default_context(cafile=str(pem[0]))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    bridge = Views().bridge()
    with Served(bridge, tls) as server, server.connect() as connection, pytest.raises(ssl.SSLError):
        context.wrap_socket(connection, server_hostname="127.0.0.1")
    bridge.close()


@pytest.mark.parametrize("fault", ["missing", "garbage", "not a pair"])
def test_a_certificate_that_cannot_be_used_is_named(
    fault: str, pem: tuple[Path, Path], tmp_path: Path
) -> None:
    chain = {"missing": tmp_path / "none.pem", "garbage": tmp_path / "garbage.pem", "not a pair": pem[1]}[
        fault
    ]
    (tmp_path / "garbage.pem").write_text("no certificate")
    listener = Recorded(certificate=str(chain), key=str(pem[1]))
    with (
        pytest.raises(CertificateUnusable, match=f"cannot serve TLS with {chain}"),
        Served(Views().bridge(), listener),
    ):
        pass


Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def echo(_scope: Any, receive: Receive, send: Send) -> None:
    """Answers each message with its length."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(len(message["text"]))})


def test_i14_a_websocket_message_over_64_kb_ends_the_socket() -> None:
    with Served(echo) as server, connect(f"ws://127.0.0.1:{server.port}", compression=None) as client:
        client.send("x" * FRAME_LIMIT)
        assert client.recv(SECONDS) == str(FRAME_LIMIT)
        client.send("x" * (FRAME_LIMIT + 1))
        with pytest.raises(ConnectionClosedError) as closed:
            client.recv(SECONDS)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_i14_a_message_in_many_fragments_is_measured_as_one() -> None:
    with Served(echo) as server, connect(f"ws://127.0.0.1:{server.port}", compression=None) as client:

        def fragments() -> Iterator[str]:
            yield "x" * (FRAME_LIMIT - 1)
            yield "xx"
            client.recv(SECONDS)  # nothing more is on its way, so the close is read and not a reset

        with pytest.raises(ConnectionClosedError) as closed:
            client.send(fragments())
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_compression_is_not_negotiated() -> None:
    with Served(echo) as server, connect(f"ws://127.0.0.1:{server.port}", compression="deflate") as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


def test_a_server_without_websockets_refuses_them() -> None:
    views = Views()
    bridge = views.bridge()
    with Served(bridge) as server:
        with pytest.raises(InvalidStatus) as refused, connect(f"ws://127.0.0.1:{server.port}/echo"):
            pass
        assert refused.value.response.status_code == 403
        assert requests.get(f"{server.url}/echo", timeout=SECONDS).ok
    assert views.calls == ["/echo"]
    bridge.close()
