"""Answers about clients, from one name to a roster: which names are in view, one consistent snapshot of them, what
changed since, whom a `<Dial>` reaches, and how all that looks as JSON (PR-24 to PR-39, PR-50)."""
