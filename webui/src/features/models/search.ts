import { active, namedSearch } from "../../shared/url/named";
import { entityName, modelName } from "../../shared/url/search";

/** What can be open over the page of a model. */
const ACTS = ["edit", "delete"] as const;
export type Act = (typeof ACTS)[number];

/** In the list, `upstream` and `at` are where a new model is served, and its name there. */
export const { list: readListSearch, one: readOneSearch } = namedSearch(ACTS, {
  name: modelName,
  list: { active, upstream: entityName, at: modelName },
  one: {},
});
