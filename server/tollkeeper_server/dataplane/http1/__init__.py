"""The transport on httptools: HTTP/1.1 over connections that are kept."""
