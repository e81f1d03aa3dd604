/** The states of tokens, as addresses name them. */
export const TOKEN_STATE_NAMES = ["active", "expiring", "expired", "exhausted", "revoked"] as const;
