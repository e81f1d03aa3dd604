"""Everything that is specific to one provider, or to one of the APIs that providers speak."""
