import { Paper, SimpleGrid, Skeleton, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { SummarizeUsageResponse } from "@tollkeeper/client/v1/usage_service";
import { formatCount, formatShare, formatShort } from "../../../shared/format/numbers";
import type { RangeSearch } from "../../../shared/url/range";
import { changeText, p95Of } from "../../../shared/usage/Sums";

interface Tile {
  name: string;
  value: string;
  /** The change from the time before, in words. */
  change?: string | undefined;
  to: "usage" | "failures";
}

function tilesOf({ totals }: SummarizeUsageResponse): Tile[] {
  if (!totals) return [];
  const { previous: before } = totals;
  const share = (failed: bigint, all: bigint) => (all === 0n ? 0 : Number(failed) / Number(all));
  return [
    { name: "Requests", value: formatCount(totals.requests), change: before && changeText(totals.requests, before.requests), to: "usage" },
    {
      name: "Failed",
      value: formatShare(share(totals.failedRequests, totals.requests)),
      change: before && changeText(totals.failedRequests, before.failedRequests),
      to: "failures",
    },
    {
      name: "Prompt tokens",
      value: formatShort(totals.promptTokens),
      change: before && changeText(totals.promptTokens, before.promptTokens),
      to: "usage",
    },
    {
      name: "Completion tokens",
      value: formatShort(totals.completionTokens),
      change: before && changeText(totals.completionTokens, before.completionTokens),
      to: "usage",
    },
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
            tile.to === "usage" ? (
              <Link {...props} to="/usage" search={search} />
            ) : (
              <Link {...props} to="/calls" search={{ ...search, status: ["4xx", "5xx"] }} />
            )
          }
        >
          <Text size="xs" c="dimmed">{tile.name}</Text>
          <Text fz="xl" fw={600}>{tile.value}</Text>
          <Text size="xs" c="dimmed">{tile.change ?? "\u00a0"}</Text>
        </Paper>
      ))}
    </SimpleGrid>
  );
}
