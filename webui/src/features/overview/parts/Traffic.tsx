import { useQuery } from "@connectrpc/connect-query";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { SimpleGrid, Skeleton, Text } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { UsageService } from "@tollkeeper/client/v1/usage_service";
import { useKept } from "../../../shared/api/useKept";
import { formatCount, formatDollars, formatShort } from "../../../shared/format/numbers";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { Section } from "../../../shared/ui/Section";
import type { Range, RangeSearch } from "../../../shared/url/range";
import { bucketOf, bucketsOf, GROUP_OF } from "../../../shared/usage/buckets";
import { byCost, byKind, byOutcome, partsOf } from "../../../shared/usage/series";
import { TimeChart } from "../../../shared/usage/TimeChart";
import { useZone } from "../../../shared/url/zone";

const REFRESH_MS = 30_000;
const HEIGHT = 220;

interface Props {
  range: Range;
  /** The same, as addresses have it. */
  search: RangeSearch;
}

/** Requests, tokens and what they cost, over the range. */
export function Traffic({ range, search }: Props) {
  const zone = useZone();
  const bucket = bucketOf(range);
  const found = useQuery(
    UsageService.method.summarizeUsage,
    {
      groupBy: [GROUP_OF[bucket]],
      timeZone: zone,
      startTime: timestampFromDate(range.start),
      endTime: timestampFromDate(range.end),
    },
    { placeholderData: keepPreviousData, refetchInterval: REFRESH_MS },
  );
  const times = bucketsOf(range, bucket, zone);
  const rows = useKept(JSON.stringify([search, zone]), found)?.rows;
  const shown = { bucket, zone, height: HEIGHT };
  const counted = { ...shown, format: formatCount, tick: formatShort };
  const isPriced = rows?.some((it) => it.pricedRequests > 0n);
  return (
    <>
      {found.error && <ErrorState title="The traffic can't be read" error={found.error} retry={() => void found.refetch()} />}
      {!rows && !found.error && <Skeleton h={300} />}
      {rows && (
        <SimpleGrid cols={{ base: 1, lg: 3 }}>
          <Section title="Requests"><TimeChart label="Requests over time" series={partsOf(rows, times, byOutcome)} {...counted} /></Section>
          <Section title="Tokens"><TimeChart label="Tokens over time" series={partsOf(rows, times, byKind)} {...counted} /></Section>
          <Section title="Cost">
            {isPriced ? (
              <TimeChart label="Cost over time" series={partsOf(rows, times, byCost)} {...shown} format={formatDollars} tick={formatDollars} />
            ) : (
              <Text size="sm" c="dimmed">{rows.length === 0 ? "No calls in this range." : "No call in this range has a cost that is known."}</Text>
            )}
          </Section>
        </SimpleGrid>
      )}
    </>
  );
}
