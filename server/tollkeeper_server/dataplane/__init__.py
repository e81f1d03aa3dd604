"""The hot path: from the first byte of a request to the last one of its answer."""
