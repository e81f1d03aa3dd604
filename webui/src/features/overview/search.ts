import { rangeReaders } from "../../shared/url/range";
import { searchOf } from "../../shared/url/search";

/** What the overview keeps in its address. */
export const readOverviewSearch = searchOf(rangeReaders);
