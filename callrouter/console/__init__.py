"""The console: pages that the router serves to customers and to the operator.

Rendered on the server, with small scripts of our own for what is live. `blueprint` wires it, `access` lets people in,
`pages` renders; each other module is a page or a group of pages, whose `add(blueprint, console)` adds its routes.
"""
