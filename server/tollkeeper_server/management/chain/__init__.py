"""What every call of the management plane passes, whatever its door."""
