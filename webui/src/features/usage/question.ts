import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { UsageRow } from "@tollkeeper/client/v1/usage_service";
import { freeRange, namedRange, type Range, type RangeName, rangeNameOf, rangeOf, type RangeSearch } from "../../shared/url/range";
import { changed } from "../../shared/url/search";
import { type Bucket, bucketOf, bucketsFor, GROUP_OF, nextOf } from "../../shared/usage/buckets";
import { type CallFilters, fieldsOf, filtersOf } from "../../shared/usage/filters";
import { timeOf } from "../../shared/usage/series";
import { type GroupName, groupOf } from "./groups";
import { isSum, type MeasureName, measureOf } from "./measures";
import type { UsageSearch } from "./search";

const USUAL_RANGE: RangeName = "24h";
export const TOPS = [5, 10, 20] as const;
const USUAL_TOP = 5;

/** What the explorer asks the gateway. */
export interface Question {
  range: Range;
  /** Its name; undefined if it goes from one time to another. */
  rangeName: RangeName | undefined;
  filters: CallFilters;
  /** By what calls are grouped besides time. */
  group: GroupName | undefined;
  bucket: Bucket;
  /** The interval that the address asks for, where the range has too many of it to draw. */
  refusedBucket: Bucket | undefined;
  measure: MeasureName;
  top: number;
  compare: boolean;
  zone: string;
}

/** Return the question of an address, with what is usual where it says nothing, or what can't be. */
export function questionOf(search: UsageSearch, zone: string, now?: Date): Question {
  const range = rangeOf(search, USUAL_RANGE, now);
  const asked = search.interval;
  const isPossible = asked !== undefined && bucketsFor(range).includes(asked);
  return {
    range,
    rangeName: rangeNameOf(search, USUAL_RANGE),
    filters: filtersOf(search),
    group: search.group,
    bucket: isPossible ? asked : bucketOf(range),
    refusedBucket: isPossible ? undefined : asked,
    measure: search.measure ?? "requests",
    top: TOPS.find((it) => it === search.top) ?? USUAL_TOP,
    compare: search.compare ?? false,
    zone,
  };
}

const common = ({ range, filters, group, measure, top, compare, zone }: Question) => ({
  ...fieldsOf(filters),
  ...(group === undefined ? {} : { top, orderBy: measureOf(measure).order }),
  startTime: timestampFromDate(range.start),
  endTime: timestampFromDate(range.end),
  timeZone: zone,
  comparePrevious: compare,
});

/** The request for the sums of each group; of each interval where nothing groups them. */
export const breakdownRequest = (it: Question) => ({
  ...common(it),
  groupBy: [it.group === undefined ? GROUP_OF[it.bucket] : groupOf(it.group).group],
  percentiles: true,
});

/** The request for the sums of each group in each interval. */
export const overTimeRequest = (it: Question) =>
  it.group === undefined
    ? breakdownRequest(it)
    : {
        ...common(it),
        groupBy: [GROUP_OF[it.bucket], groupOf(it.group).group],
        percentiles: !isSum(measureOf(it.measure)),
        // The chart compares nothing where groups stand on one another.
        comparePrevious: false,
      };

/** Return the search part among the calls that are summed in a row; undefined where no filter can tell them. */
export function callsOf(row: UsageRow, { range, rangeName, filters, group, bucket, zone }: Question): (RangeSearch & CallFilters) | undefined {
  if (row.isRest) return undefined;
  if (group === undefined) {
    const start = timeOf(row.startTime);
    const end = nextOf(start, bucket, zone);
    return changed<RangeSearch & CallFilters>(filters, freeRange({ start: start < range.start ? range.start : start, end: end > range.end ? range.end : end }));
  }
  const { keyOf, filter } = groupOf(group);
  const key = keyOf(row);
  if (key === "") return undefined;
  return changed<RangeSearch & CallFilters>(filters, { ...(rangeName === undefined ? freeRange(range) : namedRange(rangeName)), [filter]: [key] });
}
