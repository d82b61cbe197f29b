"""Carriers: who brings calls and takes them. `webhook` speaks docs/protocols/carrier.md with all of them."""
