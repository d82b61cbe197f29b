"""Being told of changes: a snapshot first, then what changes, merged per client (PR-40 to PR-47).

`news` and `subscription` are pure: what concerns a view, and how far a subscriber is. `feed` reads the change log and
feeds subscribers; `stream`, `signalling.watching` and `delivery` carry their messages to the outside.
"""
