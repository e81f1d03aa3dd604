"""A mock of OpenAI's API, made from what the OpenAI SDK says of it."""
