"""Queues of callers, and the agents who take them. The rules are pure; `desk` stores what they decide.

https://www.twilio.com/docs/voice/twiml/enqueue
"""
