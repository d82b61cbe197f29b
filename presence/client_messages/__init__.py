"""Messages to and from clients: held here until a device shows them, and the router hears of it (PR-70 to PR-75).

`text` is pure; `store` keeps; `exchange` hands messages to whoever listens at this node, a socket or a stream, and says
to the router what clients send; `reports` tells it how each message ended.
"""
