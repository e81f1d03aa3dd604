"""The budget of a request: what it may use, what it holds while it is served, and what it is charged."""
