"""The APIs that providers speak, a file for each family."""
