"""The Tollkeeper server: data plane, management plane and their shared store."""
