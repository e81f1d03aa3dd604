"""What must not be lost: the usage journal and its way into the store."""
