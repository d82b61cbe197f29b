"""The call engine: what happens to a call, stored before it has any effect.

`steps` is pure: a session and a happening give a new session and what to write. `store` writes that in one
transaction, `engine` does so for every live call, `dispatch` has what was written carried out by the `executors`,
which report back as happenings. `front` and `steering` are what Flask's threads may ask of it. Nothing here talks to
the network inside a transaction; nothing here waits without a bound.
"""
