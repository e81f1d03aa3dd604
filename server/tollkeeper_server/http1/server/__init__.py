"""The server side of HTTP/1.1, on httptools: an ASGI server that does what the data listener needs."""
