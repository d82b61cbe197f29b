"""The language: TwiML in, decisions out.

A document is parsed (`document.parse`), a session is started (`interpreter.new_session`), and from then on
`interpreter.advance(state, event)` answers each event with the next state and the commands to carry out.
Nothing here reads a clock, makes an id, opens a socket or knows a database, so every behaviour of a call can
be tested as a table of events and commands.
"""
