"""What a deployment knows: accounts, API keys, numbers, applications, carriers.

The operations that the REST API and the command line share. Each is a function of a SQLAlchemy connection,
meant to run inside a `Database.write` unit, which may be repeated: identifiers, secrets and the time are
arguments, and nothing but the connection is written to. Answers are frozen values; what can't be done raises
`errors.Refused`.
"""
