import { active, namedSearch } from "../../shared/url/named";

/** What can be open over the page of a listener. */
const ACTS = ["edit", "delete"] as const;
export type Act = (typeof ACTS)[number];

export const { list: readListSearch, one: readOneSearch } = namedSearch(ACTS, { list: { active }, one: {} });
