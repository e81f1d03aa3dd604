"""A provider that is not one: answers as OpenAI and Anthropic do, for demos and tests."""
