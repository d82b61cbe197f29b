"""Server one: who can be reached, where, right now.

Verifies clients' tokens, keeps their registrations, holds the sockets of their apps. It stands on the foundation
only, and other servers reach it through `presence.client` alone (docs/protocols/presence.md).
"""
