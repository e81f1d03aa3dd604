"""What several processes tell each other: what they have looked up, and changes."""
