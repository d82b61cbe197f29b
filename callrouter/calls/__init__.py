"""The call engine: what happens to a call, stored before it has any effect.

`step` is pure: a session and a happening give a new session and what to write. `store` writes that in one
transaction, `engine` does so for every live call, `dispatch` carries out what was written and reports back
as happenings. Nothing here talks to the network inside a transaction; nothing here waits without a bound.
"""
