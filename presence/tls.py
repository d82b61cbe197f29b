"""A certificate for development: the Voice SDK speaks only wss, so the first run makes a CA and a leaf of its own.

Clients trust `<data_dir>/tls/ca.pem`. For anything but a laptop, set CALLROUTER_TLS_CERTIFICATE and CALLROUTER_TLS_KEY.
"""

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from foundation.settings import Settings

LIFE = timedelta(days=397)  # what browsers accept of a leaf
NAMES = ("localhost", "*.localhost", "eventgw.localhost", "voice-js.localhost")
ADDRESSES = ("127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """PEM files; `ca` is what clients must trust, None when the certificate is the operator's own."""

    chain: Path
    key: Path
    ca: Path | None


def certificate(settings: Settings, now: datetime) -> Certificate:
    """The configured certificate, or the development one, made (again) when it is missing or about to end."""
    if settings.tls_certificate:
        return Certificate(chain=Path(settings.tls_certificate), key=Path(settings.tls_key), ca=None)
    folder = settings.data_dir / "tls"
    made = Certificate(chain=folder / "leaf.pem", key=folder / "leaf.key", ca=folder / "ca.pem")
    if not _good(made.chain, now):
        folder.mkdir(parents=True, exist_ok=True)
        _make(made, folder, now)
    return made


def _good(chain: Path, now: datetime) -> bool:
    if not chain.exists():
        return False
    leaf = x509.load_pem_x509_certificate(chain.read_bytes())
    return leaf.not_valid_after_utc > now + timedelta(days=7)


def _make(made: Certificate, folder: Path, now: datetime) -> None:
    ca_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "callrouter development CA")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = (
        _builder(issuer, issuer, ca_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName(name) for name in NAMES]
    addresses = [x509.IPAddress(ipaddress.ip_address(one)) for one in ADDRESSES]
    leaf = (
        _builder(subject, issuer, leaf_key, now)
        .add_extension(x509.SubjectAlternativeName([*names, *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    secret = leaf_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert made.ca is not None
    # The CA's key is thrown away: nobody can sign for other names with it. The chain comes last: it says "complete".
    for path, content in (
        (made.key, secret),
        (made.ca, ca.public_bytes(serialization.Encoding.PEM)),
        (made.chain, leaf.public_bytes(serialization.Encoding.PEM)),
    ):
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(content)
        fresh.replace(path)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - timedelta(days=1))
        .not_valid_after(now.astimezone(UTC) + LIFE - timedelta(days=1))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
