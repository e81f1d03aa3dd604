"""The management plane: one implementation of each service, which knows no transport."""
