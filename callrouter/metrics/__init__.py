"""What the router and the voice node count for Prometheus.

Labels are words of ours or carriers' names, which are the operator's; never a customer's, and no account's SID.
"""
