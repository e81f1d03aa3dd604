"""The ledger that several processes share: one table that counts, and a member in each process."""
