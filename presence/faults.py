"""What a caller asked for and can't have; nothing was written. The message is for the caller."""


class CallerFault(Exception):
    """`status` and `code` are how it is said over HTTP."""

    status, code = 400, 20001


class Limited(CallerFault):
    """More than may be kept; the message names the limit."""


class Absent(CallerFault):
    """Nothing of that name, here or for this caller."""

    status, code = 404, 20404


class Conflict(CallerFault):
    """The name is taken, or in use."""

    status, code = 409, 20409
