import { TokenState } from "@tollkeeper/client/v1/token_service";
import { StateBadge, type Tone } from "./StateBadge";
import type { TOKEN_STATE_NAMES } from "./tokenStates";

export const TOKEN_STATES: readonly { state: TokenState; name: (typeof TOKEN_STATE_NAMES)[number]; word: string; tone: Tone }[] = [
  { state: TokenState.ACTIVE, name: "active", word: "Active", tone: "good" },
  { state: TokenState.EXPIRING, name: "expiring", word: "Expires soon", tone: "warning" },
  { state: TokenState.EXPIRED, name: "expired", word: "Expired", tone: "bad" },
  { state: TokenState.EXHAUSTED, name: "exhausted", word: "Exhausted", tone: "bad" },
  { state: TokenState.REVOKED, name: "revoked", word: "Revoked", tone: "neutral" },
];

/** What a token can do at present. */
export function TokenStateBadge({ state }: { state: TokenState }) {
  const found = TOKEN_STATES.find((it) => it.state === state);
  return <StateBadge tone={found?.tone ?? "neutral"}>{found?.word ?? "Unknown"}</StateBadge>;
}
