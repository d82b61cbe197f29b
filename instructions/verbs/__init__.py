"""Twilio's voice verbs, one file each: a class body is the verb's attribute table."""
