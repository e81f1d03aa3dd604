"""Prices: what models cost, and what a request did. No I/O but the reading of the shipped table."""
