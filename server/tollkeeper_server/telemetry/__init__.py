"""Names, logs and what else makes a running server visible."""
