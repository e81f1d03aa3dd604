"""What several processes tell each other: the things they have looked up, and changes."""
