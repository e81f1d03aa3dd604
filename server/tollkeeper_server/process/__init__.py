"""What puts the rest together, and runs it."""
