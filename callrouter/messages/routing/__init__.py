"""Routing that learns: which carrier a message is given to, from what became of those before it.

`score` is the rule, pure; `choose` asks it for one message; `evidence` counts what became of messages; `reports` takes
what carriers and apps say about them, and `rounds` what nobody says; `routes` are the operator's.
"""
