"""One durable queue per carrier (PQ-1 to PQ-12): rows of `message_queue`, from the commit that accepted a message to
the one that records that its carrier has it.

All that decides stands in the database, so that any number of routers empty the same queues and each may die at any
moment: `claims` leases rows under the lock of their carrier's row in `carrier_health`, which alone makes send rate,
window, order, fairness and breaker exact. `sender` gives them to the transport, `settling` stores what came of it;
`rounds` expires, moves and frees what waits. Whoever changes a message that waits locks its queue row first.
"""
