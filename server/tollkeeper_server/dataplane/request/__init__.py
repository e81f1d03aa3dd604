"""The request: its caller, its endpoint, its body."""
