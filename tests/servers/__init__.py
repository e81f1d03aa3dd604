"""Real servers for tests, on free ports and in directories of their own."""
