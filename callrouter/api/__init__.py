"""The REST API of 2010-04-01, as Twilio's own helper libraries call it: one file per resource.

`blueprint.create_api` is the only wiring. A view reads parameters by a table (`params`), runs an operation
of `callrouter.directory` or a query of its own, always scoped by account, and answers by `render`.
"""
