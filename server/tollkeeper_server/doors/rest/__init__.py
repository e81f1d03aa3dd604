"""The management plane as REST, and its description."""
