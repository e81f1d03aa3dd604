import { number, oneOf, flag, searchOf, type SearchOf } from "../../shared/url/search";
import { rangeReaders } from "../../shared/url/range";
import { BUCKETS } from "../../shared/usage/buckets";
import { filterReaders } from "../../shared/usage/filters";
import { GROUP_NAMES } from "./groups";
import { MEASURE_NAMES } from "./measures";

const readers = {
  ...rangeReaders,
  ...filterReaders,
  group: oneOf(GROUP_NAMES),
  interval: oneOf(BUCKETS),
  measure: oneOf(MEASURE_NAMES),
  top: number,
  compare: flag,
};

export type UsageSearch = SearchOf<typeof readers>;

/** What the usage explorer keeps in its address. */
export const readUsageSearch = searchOf(readers);
