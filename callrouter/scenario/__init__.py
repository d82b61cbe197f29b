"""Whole calls, written down: deployments of one's own for trials, tests and pictures."""
