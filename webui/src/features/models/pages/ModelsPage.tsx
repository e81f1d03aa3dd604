import { useQuery } from "@connectrpc/connect-query";
import { Box, Button, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type Model, ModelService } from "@tollkeeper/client/v1/model_service";
import { useCursor } from "../../../shared/api/useCursor";
import { EmptyState, NoMatch } from "../../../shared/ui/EmptyState";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { NameLink } from "../../../shared/ui/NameLink";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { type Column, Pages, PageTable } from "../../../shared/ui/PageTable";
import { SearchBox } from "../../../shared/ui/SearchBox";
import { StateBadge } from "../../../shared/ui/StateBadge";
import { type Change, changed } from "../../../shared/url/search";
import { capabilityName } from "../capabilities";
import { ModelMenu } from "../parts/ModelMenu";
import { Overlays } from "../parts/Overlays";
import { PriceInShort } from "../parts/PriceInShort";

const SIZE = 25;
const MOST_NAMED = 3;

function Named({ names, none }: { names: readonly string[]; none: string }) {
  if (names.length === 0) return <Text size="sm" c="dimmed">{none}</Text>;
  const rest = names.length - MOST_NAMED;
  return <Text size="sm">{names.slice(0, MOST_NAMED).join(", ")}{rest > 0 && ` and ${rest} more`}</Text>;
}

const columns: Column<Model>[] = [
  { key: "name", title: "Name", order: "name", render: (it) => <NameLink kind="model" name={it.name} strong /> },
  { key: "aliases", title: "Aliases", wide: true, render: (it) => <Named names={it.aliases} none="none" /> },
  {
    key: "served",
    title: "Served by",
    render: (it) =>
      it.group ? (
        <Text size="sm">group <NameLink kind="group" name={it.group} inText /></Text>
      ) : (
        <Group gap="xs">
          {it.deployments.slice(0, MOST_NAMED).map(({ upstream, upstreamModel }) => <NameLink key={`${upstream} ${upstreamModel}`} kind="upstream" name={upstream} />)}
          {it.deployments.length > MOST_NAMED && <Text size="sm" c="dimmed">and {it.deployments.length - MOST_NAMED} more</Text>}
        </Group>
      ),
  },
  { key: "fallbacks", title: "Fallbacks", render: (it) => <Named names={it.fallbacks} none="none" /> },
  { key: "capabilities", title: "Endpoints", wide: true, render: (it) => <Named names={it.capabilities.map(capabilityName)} none="all" /> },
  { key: "price", title: "Price / M tokens", render: (it) => <PriceInShort model={it} /> },
  {
    key: "state",
    title: "Traffic",
    render: (it) => <StateBadge tone={it.isActive ? "good" : "neutral"}>{it.isActive ? "In traffic" : "Out of traffic"}</StateBadge>,
  },
];

export function ModelsPage() {
  const search = useSearch({ from: "/models" });
  const navigate = useNavigate({ from: "/models" });
  const set = (change: Change<typeof search>) => void navigate({ search: (old) => changed(old, change) });
  const { q, order = "name", active, act, name, upstream, at } = search;
  const cursor = useCursor(JSON.stringify([q, order, active]));
  const list = useQuery(
    ModelService.method.listModels,
    { search: q ?? "", orderBy: order, pageSize: SIZE, pageToken: cursor.pageToken, withTotal: true, ...(active ? { isActive: active === "yes" } : {}) },
    { placeholderData: keepPreviousData },
  );
  const open = (it: string) => void navigate({ to: "/models/$name", params: { name: it } });
  const close = () => set({ act: undefined, name: undefined, upstream: undefined, at: undefined });
  const create = <Button leftSection={<IconPlus size={16} />} data-page-new onClick={() => set({ act: "new" })}>New model</Button>;
  return (
    <Stack>
      <PageHeader title="Models" description="The names that applications ask for, and what serves them." actions={create} />
      <Group align="end">
        <Box flex="1 1 240px"><SearchBox label="Search name, aliases, group" value={q} onChange={(it) => set({ q: it })} /></Box>
        <SegmentedControl
          aria-label="Traffic"
          value={active ?? ""}
          data={[{ value: "", label: "All" }, { value: "yes", label: "In traffic" }, { value: "no", label: "Out" }]}
          onChange={(it) => set({ active: it === "yes" || it === "no" ? it : undefined })}
        />
      </Group>
      {list.error && <ErrorState title="The models can't be read" error={list.error} retry={() => void list.refetch()} />}
      {(!list.error || list.data) && (
        <PageTable
          label="Models"
          rows={list.data?.models}
          columns={columns}
          rowKey={(it) => it.name}
          fetching={list.isPlaceholderData}
          order={order}
          onOrder={(it) => set({ order: it })}
          onOpen={(it) => open(it.name)}
          actions={(it) => <ModelMenu model={it} onAct={(next) => set({ act: next, name: it.name })} />}
          empty={
            q !== undefined || active !== undefined ? (
              <NoMatch clear={() => set({ q: undefined, active: undefined })} />
            ) : (
              <EmptyState title="No model yet" action={create}>
                A model gives a name to what upstreams serve, so that applications need not know where.
              </EmptyState>
            )
          }
        />
      )}
      <Pages cursor={cursor} next={list.data?.nextPageToken} total={list.data?.totalSize} />
      <Overlays
        act={act}
        name={name}
        offer={upstream !== undefined && at !== undefined ? { upstream, at } : undefined}
        onClose={close}
        onDeleted={close}
        onCreated={open}
      />
    </Stack>
  );
}
