"""Who may do what: the accounts and keys that the router told us of, clients' tokens and what they permit, and what
ends them early. Every refusal has its code, and nothing is written before the permission is verified (PR-1 to PR-9)."""
