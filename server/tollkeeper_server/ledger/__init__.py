"""Usage events, which must not be lost: the journal and its way into the store."""
