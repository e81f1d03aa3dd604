"""Persistence: one set of ports, two equal implementations."""
