"""Knowledge that processes share: tokens and placements they have looked up, and changes."""
