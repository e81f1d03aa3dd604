import { useQuery } from "@connectrpc/connect-query";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { SimpleGrid, Skeleton } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { UsageService } from "@tollkeeper/client/v1/usage_service";
import { useKept } from "../../../shared/api/useKept";
import { formatCount, formatShort } from "../../../shared/format/numbers";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { Section } from "../../../shared/ui/Section";
import type { Range, RangeSearch } from "../../../shared/url/range";
import { bucketOf, bucketsOf, GROUP_OF } from "../../../shared/usage/buckets";
import { byKind, byOutcome, partsOf } from "../../../shared/usage/series";
import { TimeChart } from "../../../shared/usage/TimeChart";
import { useZone } from "../../../shared/url/zone";

const REFRESH_MS = 30_000;

interface Props {
  range: Range;
  /** The same, as addresses have it. */
  search: RangeSearch;
}

/** Requests and tokens over the range. */
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
  const shown = { bucket, zone, format: formatCount, tick: formatShort };
  return (
    <>
      {found.error && <ErrorState title="The traffic can't be read" error={found.error} retry={() => void found.refetch()} />}
      {!rows && !found.error && <Skeleton h={340} />}
      {rows && (
        <SimpleGrid cols={{ base: 1, lg: 2 }}>
          <Section title="Requests"><TimeChart label="Requests over time" series={partsOf(rows, times, byOutcome)} {...shown} /></Section>
          <Section title="Tokens"><TimeChart label="Tokens over time" series={partsOf(rows, times, byKind)} {...shown} /></Section>
        </SimpleGrid>
      )}
    </>
  );
}
