"""The node's DTLS certificate: made at its start, one for all its legs."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from .srtp import PROFILES

HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha-256": hashes.SHA256(),
    "sha-384": hashes.SHA384(),
    "sha-512": hashes.SHA512(),
}
_CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384"


def fingerprint(certificate: x509.Certificate, algorithm: str) -> str:
    """As SDP writes it (RFC 8122 section 5): upper-case hex pairs with colons."""
    return certificate.fingerprint(HASHES[algorithm]).hex(":").upper()


class Certificate:
    """A self-signed key pair; who it belongs to is proven by the fingerprint in the SDP (RFC 8827)."""

    def __init__(self, now: datetime.datetime, *, days: int = 365) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "callrouter")])
        builder = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        signed = builder.not_valid_after(now + datetime.timedelta(days=days)).sign(key, hashes.SHA256())
        self.fingerprint = fingerprint(signed, "sha-256")
        self.context = SSL.Context(SSL.DTLS_METHOD)
        # 1.2 is what RFC 8827 obliges every browser to speak.
        self.context.set_min_proto_version(_DTLS_1_2)
        self.context.set_max_proto_version(_DTLS_1_2)
        self.context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU)
        # Any certificate may finish the handshake: `Dtls` compares its fingerprint afterwards.
        self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        self.context.use_certificate(signed)
        self.context.use_privatekey(key)
        self.context.set_cipher_list(_CIPHERS)
        self.context.set_tlsext_use_srtp(b":".join(profile.name for profile in PROFILES))


_DTLS_1_2 = 0xFEFD
