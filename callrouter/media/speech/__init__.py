"""Text to speech: one small interface, three engines behind it (espeak-ng, a local command, an HTTP service)."""
