"""The Python client of Tollkeeper's management plane."""
