"""TLS faults and their codes, with throw-away certificates: Twilio surface 4.6 and 7.1."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from foundation.outbound import Fault, Fetcher, OutboundError, OutboundRequest
from foundation.outbound.connection import tls_context
from tests.support.origin import Origin, reply

HELLO = {"/": reply(body=b"<Response/>")}
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def issue(
    name: str,
    *,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
    ends: datetime.datetime = NOW + DAY,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer = issuer[1] if issuer else key
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - 3 * DAY)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    return certificate, key


@pytest.fixture(scope="module")
def root() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    return issue("throw-away root")


@pytest.fixture(scope="module")
def bundle(
    root: tuple[x509.Certificate, ec.EllipticCurvePrivateKey], tmp_path_factory: pytest.TempPathFactory
) -> str:
    path = tmp_path_factory.mktemp("tls") / "root.pem"
    path.write_bytes(root[0].public_bytes(serialization.Encoding.PEM))
    return str(path)


@pytest.fixture
def https(tmp_path: Path) -> Iterator[Callable[..., Origin]]:
    origins: list[Origin] = []

    def start(pair: tuple[x509.Certificate, ec.EllipticCurvePrivateKey]) -> Origin:
        certificate, key = pair
        path = tmp_path / f"{len(origins)}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        origins.append(Origin(HELLO, tls=context))
        return origins[-1]

    yield start
    for origin in origins:
        origin.close()


@pytest.fixture
def fetcher(bundle: str) -> Iterator[Fetcher]:
    fetcher = Fetcher(allow=["127.0.0.1"], ca_bundle=bundle, lookup=lambda _: ["127.0.0.1"])
    yield fetcher
    fetcher.close()


Https = Callable[..., Origin]
Root = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def code(fetcher: Fetcher, url: str) -> int:
    with pytest.raises(OutboundError) as caught:
        fetcher.fetch(OutboundRequest(url=url))
    assert caught.value.fault is Fault.ORIGIN
    return caught.value.code


@pytest.mark.parametrize("fragment", ["", "#sni=n"])
def test_a_name_is_verified_although_the_address_is_dialled(
    fetcher: Fetcher, https: Https, root: Root, fragment: str
) -> None:
    origin = https(issue("app.test", issuer=root))
    for _ in range(2):
        assert (
            fetcher.fetch(OutboundRequest(url=origin.url("/", "app.test") + fragment)).body == b"<Response/>"
        )
    assert origin.connections == 1


def test_an_address_can_be_certified(fetcher: Fetcher, https: Https, root: Root) -> None:
    assert fetcher.fetch(OutboundRequest(url=https(issue("127.0.0.1", issuer=root)).url())).ok


@pytest.mark.parametrize("fragment", ["", "#sni=n"])
def test_another_name_is_11235(fetcher: Fetcher, https: Https, root: Root, fragment: str) -> None:
    origin = https(issue("other.test", issuer=root))
    assert code(fetcher, origin.url("/", "app.test") + fragment) == 11235


def test_an_address_without_its_certificate_is_11235(fetcher: Fetcher, https: Https, root: Root) -> None:
    assert code(fetcher, https(issue("app.test", issuer=root)).url()) == 11235


def test_expired_is_11236(fetcher: Fetcher, https: Https, root: Root) -> None:
    assert code(fetcher, https(issue("app.test", issuer=root, ends=NOW - DAY)).url("/", "app.test")) == 11236


def test_self_signed_and_unknown_roots_are_11237(fetcher: Fetcher, https: Https) -> None:
    assert code(fetcher, https(issue("app.test")).url("/", "app.test")) == 11237
    assert code(fetcher, https(issue("app.test", issuer=issue("stranger"))).url("/", "app.test")) == 11237


def test_without_the_bundle_the_private_root_is_not_trusted(https: Https, root: Root) -> None:
    fetcher = Fetcher(allow=["127.0.0.1"], lookup=lambda _: ["127.0.0.1"])
    assert code(fetcher, https(issue("app.test", issuer=root)).url("/", "app.test")) == 11237
    fetcher.close()


def test_plain_http_on_a_tls_port_is_11206(fetcher: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert code(fetcher, f"https://127.0.0.1:{listener.getsockname()[1]}/") == 11206
        thread.join(5)


def test_a_tls_port_asked_in_plain_http_is_11206(fetcher: Fetcher, https: Https, root: Root) -> None:
    origin = https(issue("127.0.0.1", issuer=root))
    assert code(fetcher, origin.url().replace("https:", "http:")) == 11206


def test_a_tls_version_that_only_one_side_has_is_11220(
    fetcher: Fetcher, https: Https, root: Root, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = https(issue("127.0.0.1", issuer=root))
    monkeypatch.setattr(tls_context(bundle, True), "maximum_version", ssl.TLSVersion.TLSv1_2)
    assert origin._tls is not None
    origin._tls.minimum_version = ssl.TLSVersion.TLSv1_3
    assert code(fetcher, origin.url()) == 11220


def test_a_handshake_that_hangs_is_a_connect_timeout_and_tried_again(fetcher: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(OutboundError) as caught:
        fetcher.fetch(OutboundRequest(url=f"https://127.0.0.1:{listener.getsockname()[1]}/#ct=100"))
    assert caught.value.code == 11201
    assert len(caught.value.attempts) == 2
