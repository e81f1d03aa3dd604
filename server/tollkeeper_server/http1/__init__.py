"""HTTP/1.1 on httptools: the data listener's side and the upstreams'."""
