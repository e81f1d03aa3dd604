import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { Button, Stack } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { ListUsageEventsRequestSchema, UsageService } from "@tollkeeper/client/v1/usage_service";
import { useState } from "react";
import { restLink } from "../../../shared/api/restLink";
import { useCursor } from "../../../shared/api/useCursor";
import { useKept } from "../../../shared/api/useKept";
import { NoMatch } from "../../../shared/ui/EmptyState";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { Pages, PageTable } from "../../../shared/ui/PageTable";
import type { Range } from "../../../shared/url/range";
import { useZone } from "../../../shared/url/zone";
import { type CallFilters, fieldsOf } from "../../../shared/usage/filters";
import { columnsFor } from "./columns";
import { NoCalls } from "./NoCalls";

const SIZE = 50;
const REFRESH_MS = 15_000;
const DAY_MS = 86_400_000;

interface Props {
  filters: CallFilters;
  requestId: string | undefined;
  range: Range;
  onOpen: (id: string) => void;
  onClear: () => void;
}

/** The calls of a range, the latest first. */
export function History({ filters, requestId, range: live, onOpen, onClear }: Props) {
  const zone = useZone();
  const isFiltered = Object.keys(filters).length > 0 || requestId !== undefined;
  // A range that ends now moves on with the clock. A walk through its pages is one through those of one range.
  const [walked, setWalked] = useState(live);
  const question = JSON.stringify([filters, requestId, live.end.getTime() - live.start.getTime()]);
  const cursor = useCursor(question);
  const range = cursor.number > 1 ? walked : live;
  const asked = {
    ...fieldsOf(filters),
    requestId: requestId ?? "",
    startTime: timestampFromDate(range.start),
    endTime: timestampFromDate(range.end),
  };
  const found = useQuery(
    UsageService.method.listUsageEvents,
    { ...asked, pageSize: SIZE, pageToken: cursor.pageToken },
    { placeholderData: keepPreviousData, refetchInterval: cursor.number === 1 ? REFRESH_MS : false },
  );
  const data = useKept(JSON.stringify([question, cursor.pageToken]), found);
  const { error, isPlaceholderData, refetch } = found;
  return (
    <Stack gap="sm">
      {error && <ErrorState title="The calls can't be read" error={error} retry={() => void refetch()} />}
      {data !== undefined && data.events.length > 0 && (
        <Button
          component="a"
          size="xs"
          variant="default"
          style={{ alignSelf: "end" }}
          leftSection={<IconDownload size={14} />}
          href={restLink("/manage/usage/events", ListUsageEventsRequestSchema, asked, { alt: "csv" })}
          download
        >
          CSV
        </Button>
      )}
      {(!error || data) && (
        <PageTable
          label="Calls"
          rows={data?.events}
          columns={columnsFor(zone, range.end.getTime() - range.start.getTime() > DAY_MS / 2)}
          rowKey={(it) => it.id}
          fetching={isPlaceholderData}
          onOpen={(it) => onOpen(it.id)}
          empty={isFiltered ? <NoMatch clear={onClear} /> : <NoCalls title="No call in this time" />}
        />
      )}
      <Pages
        cursor={{ ...cursor, next: (token) => { setWalked(range); cursor.next(token); } }}
        next={isPlaceholderData ? undefined : data?.nextPageToken || undefined}
      />
    </Stack>
  );
}
