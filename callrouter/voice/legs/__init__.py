"""Legs: one end of a call each. A phone by RTP, a browser by ICE, DTLS and SRTP."""
