import { useQuery } from "@connectrpc/connect-query";
import { Text } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { ConfigurationService, type Revision } from "@tollkeeper/client/v1/configuration_service";
import { useCursor } from "../api/useCursor";
import { formatCount } from "../format/numbers";
import { Time } from "../format/Time";
import { ErrorState } from "../ui/ErrorState";
import { AnchorLink } from "../ui/links";
import { type Column, Pages, PageTable } from "../ui/PageTable";
import { Section } from "../ui/Section";
import { ACTIONS, DOORS } from "./words";

export interface HistoryProps {
  kind: "project" | "upstream" | "group" | "model" | "listener" | "gateway";
  /** The id of a project, the name of anything else; the one gateway is "gateway". */
  id: string;
}

const SHOWN = 5;

/**
 * Who changed a thing, when, and by what. Each change leads to its fields among the revisions.
 *
 * It is read when it appears: its key is to be the etag of the thing, so that an edit shows.
 */
export function History({ kind, id }: HistoryProps) {
  const cursor = useCursor(`${kind} ${id}`);
  const { data, error, isPlaceholderData, refetch } = useQuery(
    ConfigurationService.method.listRevisions,
    { kind, entityId: id, pageSize: SHOWN, pageToken: cursor.pageToken },
    { placeholderData: keepPreviousData, staleTime: 0 },
  );
  const columns: Column<Revision>[] = [
    { key: "when", title: "When", render: (it) => <Time time={it.createdAt} /> },
    { key: "what", title: "What", render: (it) => whatOf(it, id) },
    { key: "who", title: "Who", render: (it) => <Who revision={it} /> },
    {
      key: "revision",
      title: "Revision",
      align: "right",
      render: ({ revision }) => (
        <AnchorLink to="/settings" search={{ tab: "revisions", from: Number(revision) - 1, to: Number(revision) }} aria-label={`Changes of revision ${revision}`}>
          {formatCount(revision)}
        </AnchorLink>
      ),
    },
  ];
  return (
    <Section title="History">
      {error && <ErrorState title="The history can't be read" error={error} retry={() => void refetch()} />}
      {(!error || data) && (
        <>
          <PageTable
            label="History"
            rows={data?.revisions}
            columns={columns}
            rowKey={(it) => String(it.revision)}
            fetching={isPlaceholderData}
            empty={<Text size="sm" c="dimmed">No change of it is kept.</Text>}
          />
          <Pages cursor={cursor} next={data?.nextPageToken} />
        </>
      )}
    </Section>
  );
}

function whatOf({ changes, method }: Revision, id: string): string {
  const change = changes.find((it) => it.id === id);
  const done = change === undefined ? "changed" : ACTIONS[change.action];
  return method === "" ? done : `${done} by ${method}`;
}

function Who({ revision: { caller, door, source } }: { revision: Revision }) {
  return <Text span size="sm" style={{ overflowWrap: "anywhere" }}>{[caller, DOORS[door], source].filter((it) => it !== "").join(", ")}</Text>;
}
