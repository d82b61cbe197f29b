"""The audio itself: packets, numbering, tones, digits. No sockets here."""
