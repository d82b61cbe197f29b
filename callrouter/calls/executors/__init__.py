"""What the dispatcher runs: the work that a committed outbox entry asks for, done again after a crash."""
