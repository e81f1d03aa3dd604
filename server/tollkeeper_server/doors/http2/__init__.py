"""HTTP/2 for callers, on h2: it keeps the protocol's state, and these files decide when what is done."""
