import { rangeReaders } from "../../shared/url/range";
import { flag, searchOf, type SearchOf, textOf } from "../../shared/url/search";
import { filterReaders } from "../../shared/usage/filters";

const readers = { ...rangeReaders, ...filterReaders, live: flag, call: textOf(64), request: textOf(128) };

export type CallsSearch = SearchOf<typeof readers>;

/** What the calls keep in their address. `call` is the id of the one that the drawer shows. */
export const readCallsSearch = searchOf(readers);
