"""What comes in: who asks, for what, with which body."""
