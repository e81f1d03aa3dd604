import { Box, SimpleGrid, Skeleton, Text } from "@mantine/core";
import type { UsageRow } from "@tollkeeper/client/v1/usage_service";
import { changeOf, formatCount, formatDollars, formatMicroseconds, formatShare, formatShort } from "../format/numbers";

interface Sum {
  name: string;
  value: string | undefined;
  note?: string | undefined;
}

type Times = UsageRow["duration"];

/** The 95th percentile of some times; none where no call had one, as those that failed before a byte came. */
export const p95Of = (times: Times): string => (times && times.p95Microseconds > 0n ? formatMicroseconds(times.p95Microseconds) : "–");

const timesOf = (times: Times): string | undefined =>
  times && times.p95Microseconds > 0n ? `p50 ${formatMicroseconds(times.p50Microseconds)}, p99 ${formatMicroseconds(times.p99Microseconds)}` : undefined;

function sumsOf(totals: UsageRow | undefined, whole: boolean): Sum[] {
  const share = totals && totals.requests > 0n ? Number(totals.failedRequests) / Number(totals.requests) : 0;
  const before = totals?.previous;
  const kinds: [name: string, value: bigint | undefined, write?: (value: bigint) => string][] = [
    ["Cached tokens", totals?.cachedTokens],
    ["Reasoning tokens", totals?.reasoningTokens],
    ["Audio", totals?.audioMilliseconds, (it) => formatMicroseconds(it * 1000n)],
    ["Images", totals?.images],
    ["Characters spoken", totals?.characters],
    ["Pages read", totals?.pages],
  ];
  return [
    { name: "Requests", value: totals && formatCount(totals.requests), note: before && changeText(totals.requests, before.requests) },
    {
      name: "Failed",
      value: totals && `${formatCount(totals.failedRequests)} (${formatShare(share)})`,
      note: before && changeText(totals.failedRequests, before.failedRequests),
    },
    { name: "Prompt tokens", value: totals && formatShort(totals.promptTokens), note: before && changeText(totals.promptTokens, before.promptTokens) },
    {
      name: "Completion tokens",
      value: totals && formatShort(totals.completionTokens),
      note: before && changeText(totals.completionTokens, before.completionTokens),
    },
    { name: "Cost", value: totals && costText(totals), note: totals && costNote(totals) },
    { name: "Duration, p95", value: totals && p95Of(totals.duration), note: whole ? timesOf(totals?.duration) : undefined },
    ...(whole ? [{ name: "First byte, p95", value: totals && p95Of(totals.firstByte), note: timesOf(totals?.firstByte) }] : []),
    // What nobody used needs no room.
    ...(whole ? kinds.filter(([, value]) => value).map(([name, value = 0n, write = formatShort]) => ({ name, value: write(value) })) : []),
    ...(whole && totals?.estimatedRequests
      ? [{ name: "Requests with estimated counts", value: formatCount(totals.estimatedRequests), note: "their upstreams sent none" }]
      : []),
  ];
}

/** What requests cost together; none where no request has a cost that is known. */
export const costText = ({ requests, pricedRequests, costNanoDollars }: Costs): string =>
  requests > 0n && pricedRequests === 0n ? "–" : formatDollars(costNanoDollars);

type Costs = Pick<UsageRow, "requests" | "pricedRequests" | "costNanoDollars">;

/** What a sum of costs leaves out, or else how it has changed. */
export function costNote({ requests, pricedRequests, costNanoDollars, previous }: UsageRow): string | undefined {
  const unknown = requests - pricedRequests;
  if (unknown > 0n) return `without ${formatCount(unknown)} ${unknown === 1n ? "request" : "requests"} whose cost is not known`;
  return previous && changeText(costNanoDollars, previous.costNanoDollars);
}

/** A change from the time before, in words; undefined where nothing was before. */
export function changeText(now: bigint | number, before: bigint | number): string | undefined {
  const change = changeOf(now, before);
  if (change === undefined) return Number(now) === 0 ? undefined : "none before";
  return Math.abs(change) < 0.0005 ? "as much as before" : `${formatShare(Math.abs(change))} ${change > 0 ? "more" : "less"} than before`;
}

/** The sums of usage, compared with the time before where that was asked for; `whole` is all there are. */
export function Sums({ totals, whole = false }: { totals: UsageRow | undefined; whole?: boolean }) {
  return (
    <SimpleGrid component="dl" cols={{ base: 2, sm: 3, lg: whole ? 7 : 6 }} spacing="md" m={0} aria-label="Totals">
      {sumsOf(totals, whole).map(({ name, value, note }) => (
        <Box key={name}>
          <Text component="dt" size="xs" c="dimmed">{name}</Text>
          <Box component="dd" m={0}>
            {value === undefined ? <Skeleton h={24} w={72} /> : <Text fw={600} size="lg" className="tk-figures">{value}</Text>}
            {note && <Text size="xs" c="dimmed">{note}</Text>}
          </Box>
        </Box>
      ))}
    </SimpleGrid>
  );
}
