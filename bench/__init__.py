"""The load bench: what the gateway adds to a request, measured beside what it is compared with."""
