"""The whole configuration as one: apply, export, differences, explain."""
