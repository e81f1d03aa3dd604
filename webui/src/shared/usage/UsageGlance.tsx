import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { Group, Skeleton, Text } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { UsageService } from "@tollkeeper/client/v1/usage_service";
import { lazy, Suspense } from "react";
import { useKept } from "../api/useKept";
import { formatCount, formatShort } from "../format/numbers";
import { ErrorState } from "../ui/ErrorState";
import { AnchorLink } from "../ui/links";
import { RangePicker } from "../ui/RangePicker";
import { Section } from "../ui/Section";
import { type RangeName, rangeOf } from "../url/range";
import { useZone } from "../url/zone";
import { bucketOf, bucketsOf, GROUP_OF } from "./buckets";
import { byOutcome, partsOf } from "./series";
import { Sums } from "./Sums";

const HEIGHT = 180;
const REFRESH_MS = 60_000;
const TimeChart = lazy(() => import("./TimeChart").then((it) => ({ default: it.TimeChart })));

interface Props {
  /** Whose usage. */
  of: { project: string } | { token: string };
  range: RangeName;
  onRange: (range: RangeName) => void;
}

/** The usage of one thing at a glance: its sums, compared with the time before, and requests over time. */
export function UsageGlance({ of, range: name, onRange }: Props) {
  const zone = useZone();
  const range = rangeOf({}, name);
  const bucket = bucketOf(range);
  const found = useQuery(
    UsageService.method.summarizeUsage,
    {
      ...("project" in of ? { projectId: of.project } : { tokenId: of.token }),
      groupBy: [GROUP_OF[bucket]],
      startTime: timestampFromDate(range.start),
      endTime: timestampFromDate(range.end),
      timeZone: zone,
      comparePrevious: true,
      percentiles: true,
    },
    { placeholderData: keepPreviousData, refetchInterval: REFRESH_MS },
  );
  const data = useKept(JSON.stringify([of, name, zone]), found);
  const { error, refetch } = found;
  const filter = "project" in of ? { project: [of.project] } : { token: [of.token] };
  return (
    <Section
      title="Usage"
      actions={
        <Group gap="sm">
          <RangePicker value={name} onChange={onRange} />
          <AnchorLink to="/usage" search={{ ...filter, range: name }}>Explore</AnchorLink>
        </Group>
      }
    >
      {error && <ErrorState title="The usage can't be read" error={error} retry={() => void refetch()} />}
      {(!error || data) && (
        <>
          <Sums totals={data?.totals} />
          {data === undefined ? (
            <Skeleton h={HEIGHT} />
          ) : data.rows.length === 0 ? (
            <Text size="sm" c="dimmed">No request in this time.</Text>
          ) : (
            <Suspense fallback={<Skeleton h={HEIGHT} />}>
              <TimeChart
                label="Requests over time"
                series={partsOf(data.rows, bucketsOf(range, bucket, zone), byOutcome)}
                bucket={bucket}
                zone={zone}
                format={formatCount}
                tick={formatShort}
                height={HEIGHT}
              />
            </Suspense>
          )}
        </>
      )}
    </Section>
  );
}
