"""The first minute: everything runs, a call comes in, a client answers, and each side hears the other."""
