"""`python -m presence.api.description` prints docs/reference/presence.md."""

from presence.api.description.page import page

print(page())
