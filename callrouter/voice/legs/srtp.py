"""SRTP (RFC 3711, RFC 7714) from the keys of a DTLS handshake (RFC 5764)."""

from __future__ import annotations

from dataclasses import dataclass

import pylibsrtp


@dataclass(frozen=True, kw_only=True)
class Profile:
    """`name` as OpenSSL spells it; `key` and `salt` are lengths in bytes (RFC 5764 section 4.1.2)."""

    name: bytes
    number: int
    key: int
    salt: int


_ALL = (
    Profile(
        name=b"SRTP_AEAD_AES_128_GCM", number=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, key=16, salt=12
    ),
    Profile(
        name=b"SRTP_AEAD_AES_256_GCM", number=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM, key=32, salt=12
    ),
    Profile(
        name=b"SRTP_AES128_CM_SHA1_80",
        number=pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
        key=16,
        salt=14,
    ),
)


def _supported(profile: Profile) -> bool:
    try:
        pylibsrtp.Policy(srtp_profile=profile.number)
    except pylibsrtp.Error:  # libsrtp built without AES-GCM
        return False
    return True


PROFILES = tuple(filter(_supported, _ALL))


class SrtpError(Exception):
    """The packet is forged, replayed, or not for these keys."""


class Srtp:
    """Both directions of one leg. A sequence number is never used twice, and never accepted twice."""

    __slots__ = ("_incoming", "_outgoing")

    def __init__(self, profile: Profile, keying: bytes, *, server: bool) -> None:
        """`keying` is the exporter's output: client key, server key, client salt, server salt."""
        keys, salts = keying[: 2 * profile.key], keying[2 * profile.key :]
        client = keys[: profile.key] + salts[: profile.salt]
        other = keys[profile.key :] + salts[profile.salt :]
        policy = pylibsrtp.Policy
        self._incoming = self._session(profile, client if server else other, policy.SSRC_ANY_INBOUND)
        self._outgoing = self._session(profile, other if server else client, policy.SSRC_ANY_OUTBOUND)

    @staticmethod
    def _session(profile: Profile, key: bytes, direction: int) -> pylibsrtp.Session:
        policy = pylibsrtp.Policy(key=key, ssrc_type=direction, srtp_profile=profile.number)
        policy.window_size = 1024
        return pylibsrtp.Session(policy)

    def protect(self, packet: bytes) -> bytes:
        try:
            return bytes(self._outgoing.protect(packet))
        except (pylibsrtp.Error, ValueError) as error:
            raise SrtpError(str(error)) from error

    def protect_rtcp(self, packet: bytes) -> bytes:
        try:
            return bytes(self._outgoing.protect_rtcp(packet))
        except (pylibsrtp.Error, ValueError) as error:
            raise SrtpError(str(error)) from error

    def unprotect(self, packet: bytes) -> bytes:
        try:
            return bytes(self._incoming.unprotect(packet))
        except (pylibsrtp.Error, ValueError) as error:
            raise SrtpError(str(error)) from error

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        try:
            return bytes(self._incoming.unprotect_rtcp(packet))
        except (pylibsrtp.Error, ValueError) as error:
            raise SrtpError(str(error)) from error
