"""Small HTTP servers inside an event loop: the server, access control, server-sent events."""
