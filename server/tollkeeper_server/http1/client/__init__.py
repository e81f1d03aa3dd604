"""The client side of HTTP/1.1: the data plane's transport to upstreams."""
