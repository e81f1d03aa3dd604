"""The reply: the answer to the caller, and its usage."""
