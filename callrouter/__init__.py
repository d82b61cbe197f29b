"""The router server: the switchboard. Takes calls from carriers and clients, runs their documents, joins legs."""

__version__ = "0.1.0.dev0"
