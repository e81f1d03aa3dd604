import { useQuery } from "@connectrpc/connect-query";
import { Button, Checkbox, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { ConfigurationService, type Revision } from "@tollkeeper/client/v1/configuration_service";
import { useCursor } from "../../../shared/api/useCursor";
import { formatCount } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { ACTIONS, DOORS } from "../../../shared/history/words";
import { EmptyState, NoMatch } from "../../../shared/ui/EmptyState";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { type Column, Pages, PageTable } from "../../../shared/ui/PageTable";
import type { Change } from "../../../shared/url/search";
import { chosenOf, toggled } from "../compare";
import { KINDS, type SettingsSearch } from "../search";
import { EntityLink } from "./EntityLink";
import { RevisionDiff } from "./RevisionDiff";

const SIZE = 20;
const MOST_NAMED = 4;

/** What is changed of a kind. There is one gateway. */
const titleOf = (kind: string): string => `${kind.charAt(0).toUpperCase()}${kind.slice(1)}${kind === "gateway" ? "" : "s"}`;

const columns: Column<Revision>[] = [
  { key: "revision", title: "Revision", render: (it) => formatCount(it.revision) },
  { key: "when", title: "When", render: (it) => <Time time={it.createdAt} /> },
  { key: "who", title: "Who", render: (it) => <Who revision={it} /> },
  { key: "what", title: "What", render: (it) => <What revision={it} /> },
];

function Who({ revision: { caller, door, source, method } }: { revision: Revision }) {
  return (
    <Stack gap={0}>
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>{caller || DOORS[door]}{source && ` at ${source}`}</Text>
      <Text size="xs" c="dimmed">{[caller && `by ${DOORS[door]}`, method].filter((it) => it !== "").join(", ")}</Text>
    </Stack>
  );
}

function What({ revision: { changes, createdCount, updatedCount, deletedCount } }: { revision: Revision }) {
  const all = createdCount + updatedCount + deletedCount;
  const named = changes.slice(0, MOST_NAMED);
  return (
    <Stack gap={0}>
      {named.map((it) => (
        <Text key={`${it.kind} ${it.id}`} size="sm">{it.kind} <EntityLink {...it} /> {ACTIONS[it.action]}</Text>
      ))}
      {all > named.length && <Text size="sm" c="dimmed">{`${named.length > 0 ? "and " : ""}${formatCount(all - named.length)} more`}</Text>}
      {all === 0 && <Text size="sm" c="dimmed">no entity</Text>}
    </Stack>
  );
}

interface Props {
  search: SettingsSearch;
  set: (change: Change<SettingsSearch>) => void;
}

/** The history of the configuration; two revisions are compared. */
export function RevisionsTab({ search, set }: Props) {
  const { kind, from, to } = search;
  const cursor = useCursor(kind ?? "");
  const list = useQuery(
    ConfigurationService.method.listRevisions,
    { pageSize: SIZE, pageToken: cursor.pageToken, kind: kind ?? "" },
    { placeholderData: keepPreviousData },
  );
  const chosen = chosenOf(search);
  return (
    <Stack>
      {from !== undefined && to !== undefined && from < to ? (
        <RevisionDiff from={from} to={to} onClose={() => set({ pick: undefined, from: undefined, to: undefined })} />
      ) : (
        <Text size="sm" c="dimmed">
          {search.pick === undefined
            ? "Choose two revisions to compare them, or look at the changes of one. Tokens and usage are no part of the configuration."
            : `Revision ${formatCount(search.pick)} is chosen. Choose another one to compare it with.`}
        </Text>
      )}
      <SegmentedControl
        aria-label="Kind of what was changed"
        style={{ alignSelf: "start", maxWidth: "100%", overflowX: "auto" }}
        value={kind ?? ""}
        data={[{ value: "", label: "All" }, ...KINDS.map((it) => ({ value: it, label: titleOf(it) }))]}
        onChange={(it) => set({ kind: KINDS.find((known) => known === it) })}
      />
      {list.error && <ErrorState title="The revisions can't be read" error={list.error} retry={() => void list.refetch()} />}
      {(!list.error || list.data) && (
        <PageTable
          label="Revisions"
          rows={list.data?.revisions}
          columns={columns}
          rowKey={(it) => String(it.revision)}
          fetching={list.isPlaceholderData}
          mark={({ revision }) => (
            <Checkbox
              aria-label={`Compare revision ${revision}`}
              checked={chosen.includes(Number(revision))}
              onChange={() => set(toggled(search, Number(revision)))}
            />
          )}
          actions={({ revision }) => (
            <Button
              size="xs"
              variant="default"
              aria-label={`Changes of revision ${revision}`}
              onClick={() => set({ pick: undefined, from: Number(revision) - 1, to: Number(revision) })}
            >
              Changes
            </Button>
          )}
          empty={
            kind === undefined ? (
              <EmptyState title="No revision yet">Each change of the configuration is kept here: when it was made, by whom, and what it changed.</EmptyState>
            ) : (
              <NoMatch clear={() => set({ kind: undefined })} />
            )
          }
        />
      )}
      <Group justify="end"><Pages cursor={cursor} next={list.data?.nextPageToken} /></Group>
    </Stack>
  );
}
