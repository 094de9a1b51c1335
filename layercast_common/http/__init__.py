"""Small HTTP servers inside an event loop: server, access control, server-sent events."""
