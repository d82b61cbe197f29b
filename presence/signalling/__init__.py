"""The browser Voice SDK's signalling protocol (voice-sdk-protocol): `frames` and `protocol` do no I/O, `gateway` all."""
