"""Messages: they come in, an app answers, and they go out through the queue of the carrier that serves them best.

`status` and `text` are pure; `states` is the only place where a stored message changes its status; `outgoing` puts
messages into queues and `queue` empties those; `routing` ranks carriers by what got delivered; `inbound`, `program` and
`media` are the way in.
"""
