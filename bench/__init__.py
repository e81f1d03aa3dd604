"""The load bench: it measures the cost that the gateway adds to a request, beside other servers."""
