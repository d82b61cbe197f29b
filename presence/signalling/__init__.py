"""The browser Voice SDK's signalling protocol (voice-sdk-protocol).

`frames` and `protocol` do no I/O; `gateway` holds the sockets; beside it are who rings, whose call it is, who is here.
"""
