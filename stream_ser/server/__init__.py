"""WebSocket and HTTP: labels out, clients' own audio in."""
