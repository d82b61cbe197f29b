"""The way in: Flask behind one asyncio server, with caps on everything a stranger can send."""
