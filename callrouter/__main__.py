"""`python -m callrouter` is the `callrouter` command."""

from callrouter.cli import main

main()
