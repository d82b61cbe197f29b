"""Sound at both ends of a call: what a simulated caller or a client phone says, and what it hears
and tells.

8,000 Hz, one channel, 16 bits, frames of 20 ms throughout: what PCMU carries. No sockets here.
"""
