"""What processes share through Redis: the tokens they have looked up, placements, and changes."""
