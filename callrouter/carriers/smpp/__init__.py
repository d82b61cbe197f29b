"""A gateway between the open HTTP carrier protocol (docs/protocols/carrier.md) and one SMPP 3.4 link. Extra `[sms]`.

A process of its own: `callrouter run smpp`. The router sees a carrier, the short message centre (SMSC) an external
short message entity (ESME). PDUs with content are coded by smpp34; the session is ours, because that library's
acknowledges `deliver_sm` before anything could be stored, and a report must not be lost.
"""
