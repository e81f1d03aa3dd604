"""HTTP/1.1 on httptools: the server side toward callers, and the client side toward upstreams."""
