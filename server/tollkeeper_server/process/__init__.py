"""Builds a server of the other rooms, and runs it as a process."""
