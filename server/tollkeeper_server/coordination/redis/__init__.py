"""Coordination through Redis: shared tokens and placements, and pushed changes."""
