"""What happened to a call or a message, as facts ready for JSON: for the console, the command line and the playground.

It reads the database and decides nothing. Every query is of one account.
"""
