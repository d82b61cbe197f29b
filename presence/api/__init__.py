"""The presence server's HTTP API: a blueprint per resource (docs/protocols/presence.md)."""
