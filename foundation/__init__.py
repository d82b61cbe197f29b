"""What both servers stand on: settings, databases, keys, time, the way out and the way in.

Knows nothing of calls or of presence, and imports neither server.
"""
