"""TwiML that is tried from the console: kept by us, and answered by us instead of a customer's server."""
