import { Paper, SimpleGrid, Skeleton, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { SummarizeUsageResponse, UsageSums } from "@tollkeeper/client/v1/usage_service";
import { formatCount, formatShare, formatShort } from "../../../shared/format/numbers";
import type { RangeSearch } from "../../../shared/url/range";
import { changeText, costNote, costText, p95Of } from "../../../shared/usage/Sums";

interface Tile {
  name: string;
  value: string;
  /** The change from the time before, in words. */
  change?: string | undefined;
  to: "usage" | "costs" | "failures";
}

const tokensOf = ({ promptTokens, completionTokens }: Pick<UsageSums, "promptTokens" | "completionTokens">): bigint => promptTokens + completionTokens;
const shareOf = ({ failedRequests, requests }: Pick<UsageSums, "failedRequests" | "requests">): number =>
  requests === 0n ? 0 : Number(failedRequests) / Number(requests);

function tilesOf({ totals }: SummarizeUsageResponse): Tile[] {
  if (!totals) return [];
  const { previous: before } = totals;
  return [
    { name: "Requests", value: formatCount(totals.requests), change: before && changeText(totals.requests, before.requests), to: "usage" },
    {
      name: "Failed",
      value: formatShare(shareOf(totals)),
      change: before && before.requests > 0n ? `${formatShare(shareOf(before))} before` : undefined,
      to: "failures",
    },
    { name: "Tokens", value: formatShort(tokensOf(totals)), change: before && changeText(tokensOf(totals), tokensOf(before)), to: "usage" },
    { name: "Cost", value: costText(totals), change: costNote(totals), to: "costs" },
    { name: "First byte, p95", value: p95Of(totals.firstByte), to: "usage" },
    { name: "Duration, p95", value: p95Of(totals.duration), to: "usage" },
  ];
}

const COUNT = 6;
const COLS = { base: 2, sm: 3, lg: 6 };

/** The six figures of a range, each a way to what it is made of. */
export function Tiles({ usage, search }: { usage: SummarizeUsageResponse | undefined; search: RangeSearch }) {
  if (!usage)
    return <SimpleGrid cols={COLS} aria-busy>{Array.from({ length: COUNT }, (_, index) => <Skeleton key={index} h={92} />)}</SimpleGrid>;
  return (
    <SimpleGrid cols={COLS}>
      {tilesOf(usage).map((tile) => (
        <Paper
          key={tile.name}
          withBorder
          p="md"
          c="inherit"
          td="none"
          className="tk-figures"
          renderRoot={(props) =>
            tile.to === "failures" ? (
              <Link {...props} to="/calls" search={{ ...search, status: ["4xx", "5xx"] }} />
            ) : (
              <Link {...props} to="/usage" search={tile.to === "costs" ? { ...search, measure: "cost" } : search} />
            )
          }
        >
          <Text size="xs" c="dimmed">{tile.name}</Text>
          <Text fz="xl" fw={600} style={{ overflowWrap: "anywhere" }}>{tile.value}</Text>
          <Text size="xs" c="dimmed">{tile.change ?? "\u00a0"}</Text>
        </Paper>
      ))}
    </SimpleGrid>
  );
}
