"""The request of each client method and the reading of its answer, defined once for both clients."""
