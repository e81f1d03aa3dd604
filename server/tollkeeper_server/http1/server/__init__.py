"""The server side of HTTP/1.1: the ASGI server of the data listener."""
