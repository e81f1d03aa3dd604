import { active, namedSearch } from "../../shared/url/named";
import { sought } from "../../shared/url/search";

/** What can be open over the page of an upstream. */
const ACTS = ["edit", "test", "key", "delete"] as const;
export type Act = (typeof ACTS)[number];

/** On the page of one, `model` is what is searched among the models that it lists. */
export const { list: readListSearch, one: readOneSearch } = namedSearch(ACTS, { list: { active }, one: { model: sought } });
