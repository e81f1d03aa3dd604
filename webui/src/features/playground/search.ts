import { modelName, searchOf, tokenId } from "../../shared/url/search";

/** What the playground keeps in its address; prompts stay out of it. */
export const readPlaygroundSearch = searchOf({ token: tokenId, model: modelName });
