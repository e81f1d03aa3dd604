import { TOKEN_STATE_NAMES } from "../../shared/ui/tokenStates";
import { RANGES } from "../../shared/url/range";
import { oneOf, orderBy, projectId, searchOf, several, sought, tokenId } from "../../shared/url/search";

/** What the list keeps in its address. `act` is what is open over it, and `id` the token that is edited. */
export const readTokensSearch = searchOf({
  q: sought,
  order: orderBy(["name", "created_at", "updated_at", "expires_at", "last_used_at"]),
  state: several(oneOf(TOKEN_STATE_NAMES)),
  project: projectId,
  act: oneOf(["new", "edit"]),
  id: tokenId,
});

/** What the page of one token keeps in its address. */
export const readTokenSearch = searchOf({ range: oneOf(RANGES), act: oneOf(["edit"]) });
