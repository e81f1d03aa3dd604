import { useQuery } from "@connectrpc/connect-query";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Anchor, Group, Progress, SimpleGrid, Skeleton, Stack, Text } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { Link, type LinkProps } from "@tanstack/react-router";
import { UsageGroup, UsageOrder, type UsageRow, UsageService } from "@tollkeeper/client/v1/usage_service";
import { useKept } from "../../../shared/api/useKept";
import { formatCount } from "../../../shared/format/numbers";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { Section } from "../../../shared/ui/Section";
import type { Range, RangeSearch } from "../../../shared/url/range";

const MOST = 5;

interface Kind {
  title: string;
  group: UsageGroup;
  nameOf: (row: UsageRow) => string;
  linkOf: (row: UsageRow, range: RangeSearch) => Pick<LinkProps, "to" | "params" | "search">;
}

const KINDS: readonly Kind[] = [
  {
    title: "Top projects",
    group: UsageGroup.PROJECT,
    nameOf: (row) => row.projectName || row.projectId,
    linkOf: (row) => ({ to: "/projects/$id", params: { id: row.projectId } }),
  },
  {
    title: "Top models",
    group: UsageGroup.MODEL,
    nameOf: (row) => row.model,
    // A model that is served need not be one that is configured: it leads to its calls.
    linkOf: (row, range) => ({ to: "/calls", search: { ...range, model: [row.model] } }),
  },
  {
    title: "Top upstreams",
    group: UsageGroup.UPSTREAM,
    nameOf: (row) => row.upstream,
    linkOf: (row) => ({ to: "/upstreams/$name", params: { name: row.upstream } }),
  },
];

interface Props {
  range: Range;
  /** The same, as addresses have it. */
  search: RangeSearch;
}

/** The projects, models and upstreams with the most requests. */
export function Tops(props: Props) {
  return <SimpleGrid cols={{ base: 1, md: 3 }}>{KINDS.map((kind) => <Top key={kind.title} kind={kind} {...props} />)}</SimpleGrid>;
}

function Top({ kind, range, search }: Props & { kind: Kind }) {
  const found = useQuery(
    UsageService.method.summarizeUsage,
    {
      groupBy: [kind.group],
      orderBy: UsageOrder.REQUESTS,
      top: MOST,
      startTime: timestampFromDate(range.start),
      endTime: timestampFromDate(range.end),
    },
    { placeholderData: keepPreviousData },
  );
  const data = useKept(JSON.stringify(search), found);
  const all = Number(data?.totals?.requests ?? 0n);
  return (
    <Section title={kind.title}>
      {found.isPending && <Skeleton h={120} />}
      {found.error && <ErrorState title="They can't be read" error={found.error} retry={() => void found.refetch()} />}
      {data?.rows.length === 0 && <Text size="sm" c="dimmed">No calls in this range.</Text>}
      {data?.rows.map((row, index) => {
        const name = row.isRest ? "All others" : kind.nameOf(row) || "none";
        const link = row.isRest || kind.nameOf(row) === "" ? undefined : kind.linkOf(row, search);
        return (
          <Stack key={index} gap={2}>
            <Group justify="space-between" wrap="nowrap" gap="xs">
              {link ? (
                <Anchor size="sm" truncate renderRoot={(props) => <Link {...props} {...link} />}>{name}</Anchor>
              ) : (
                <Text size="sm" truncate>{name}</Text>
              )}
              <Text size="sm" className="tk-figures">{formatCount(row.requests)}</Text>
            </Group>
            <Progress value={all === 0 ? 0 : (Number(row.requests) / all) * 100} size="sm" aria-label={`${name}: share of requests`} />
          </Stack>
        );
      })}
    </Section>
  );
}
