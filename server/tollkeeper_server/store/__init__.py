"""Persistence: a port for each part of the store, and the engines that implement them."""
