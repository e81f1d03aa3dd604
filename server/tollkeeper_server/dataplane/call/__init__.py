"""The calls of upstreams: which, how often, with what, and how they do."""
