"""Why an operation on the directory was not done. Always the fault of whoever asked for it.

Refused              the request breaks a rule; Twilio's code says which
└── Missing          there is nothing of that name, or it is another account's: one answer for both
"""


class Refused(Exception):
    """The request can't be served; nothing was changed."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Missing(Refused):
    """No such thing in this account (reliability-security 4.10)."""

    def __init__(self, what: str) -> None:
        super().__init__(20404, f"{what} was not found", 404)
