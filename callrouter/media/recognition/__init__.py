"""Speech to text: one small interface, four engines behind it (pocketsphinx, a local command, HTTP, WebSocket)."""
