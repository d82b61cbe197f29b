"""The voice node: everything with audio in it, and the client by which the router commands it.

The router imports `contract` and `client` only. The rest runs in the voice node's own process.
"""
