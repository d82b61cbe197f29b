"""The REST API of Messaging v1, which Twilio has on a host of its own and we beside the other (twilio-surface 5.12).

JSON only; times in ISO 8601; absolute URLs, on the host that was asked. The account is the one that asks.
"""
