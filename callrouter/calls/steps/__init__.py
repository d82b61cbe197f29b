"""One step of a live call, pure: what happened becomes the next session and what is to be written.

Each part of the draft is about one thing that programs want or that legs do; `step` is the whole.
"""
