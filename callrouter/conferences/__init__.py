"""Conferences: who is in, when they start and end, who is told. Rules are pure; `desk` stores what they decide.

https://www.twilio.com/docs/voice/twiml/conference
"""
