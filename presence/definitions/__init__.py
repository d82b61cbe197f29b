"""What an account's own server defines: contact lists, destinations that stand for several clients, and statuses
beside the built-in ones (PR-21, PR-28, PR-33)."""
