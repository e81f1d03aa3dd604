"""What several processes tell each other: tokens they have looked up, and changes."""
