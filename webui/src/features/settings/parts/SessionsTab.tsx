import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Badge, Button, Group, Stack, Switch, Text } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { type Session, SessionService } from "@tollkeeper/client/v1/session_service";
import { useState } from "react";
import { useCursor } from "../../../shared/api/useCursor";
import { useRefresh } from "../../../shared/api/useRefresh";
import { formatCount } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { EmptyState } from "../../../shared/ui/EmptyState";
import { DangerButton } from "../../../shared/ui/DangerButton";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { type Column, Pages, PageTable } from "../../../shared/ui/PageTable";
import { say } from "../../../shared/ui/say";
import { TypedConfirm } from "../../../shared/ui/TypedConfirm";
import type { Change } from "../../../shared/url/search";
import type { SettingsSearch } from "../search";
import { browserOf } from "../words";

const SIZE = 25;
const EVERY_MS = 10_000;

const columns: Column<Session>[] = [
  {
    key: "browser",
    title: "Browser",
    render: (it) => (
      <Group gap="xs"><Text span size="sm" fw={600} title={it.userAgent}>{browserOf(it.userAgent)}</Text>{it.isCurrent && <Badge variant="default" tt="none">this one</Badge>}</Group>
    ),
  },
  { key: "address", title: "Address", render: (it) => <Text span size="sm" ff="monospace">{it.address}</Text> },
  { key: "began", title: "Signed in", render: (it) => <Time time={it.createdAt} /> },
  { key: "used", title: "Last used", render: (it) => <Time time={it.lastUsedAt} ago /> },
  { key: "idle", title: "Ends unless used", wide: true, render: (it) => <Time time={it.idleExpiresAt} ago /> },
  { key: "ends", title: "Ends at the latest", render: (it) => <Time time={it.absoluteExpiresAt} /> },
];

/** Load the application again: without a session it shows the sign-in, and it has forgotten what this page had read. */
const leave = () => window.location.reload();

interface Props {
  search: SettingsSearch;
  set: (change: Change<SettingsSearch>) => void;
}

/** Who is signed in to the console. */
export function SessionsTab({ search: { act, id }, set }: Props) {
  const cursor = useCursor("");
  const list = useQuery(
    SessionService.method.listSessions,
    { pageSize: SIZE, pageToken: cursor.pageToken },
    { placeholderData: keepPreviousData, refetchInterval: EVERY_MS },
  );
  const close = () => set({ act: undefined, id: undefined });
  const session = list.data?.sessions.find((it) => it.id === id);
  return (
    <Stack>
      <Group justify="space-between">
        <Text size="sm" c="dimmed" flex="1 1 240px">A session ends after 8 hours without use, and after 24 hours. Each began with the management token.</Text>
        <DangerButton onClick={() => set({ act: "end-all" })}>Log out everywhere</DangerButton>
      </Group>
      {list.error && <ErrorState title="The sessions can't be read" error={list.error} retry={() => void list.refetch()} />}
      {(!list.error || list.data) && (
        <PageTable
          label="Sessions"
          rows={list.data?.sessions}
          columns={columns}
          rowKey={(it) => it.id}
          fetching={list.isPlaceholderData}
          actions={(it) => (
            <Button size="xs" variant="default" aria-label={`End the session of ${browserOf(it.userAgent)} at ${it.address}${it.isCurrent ? ", this one" : ""}`} onClick={() => set({ act: "end", id: it.id })}>
              End
            </Button>
          )}
          empty={<EmptyState title="Nobody is signed in">Sessions of people who are signed in to the console stand here.</EmptyState>}
        />
      )}
      <Pages cursor={cursor} next={list.data?.nextPageToken} />
      <EndOne session={act === "end" ? session : undefined} onClose={close} />
      <EndAll opened={act === "end-all"} onClose={close} />
    </Stack>
  );
}

function EndOne({ session, onClose }: { session: Session | undefined; onClose: () => void }) {
  const refresh = useRefresh(SessionService);
  const end = useMutation(SessionService.method.revokeSession, {
    onSuccess: () => {
      if (session?.isCurrent) {
        leave();
        return;
      }
      say("The session is ended.");
      onClose();
      void refresh();
    },
  });
  return (
    <TypedConfirm
      opened={session !== undefined}
      title="End the session"
      action="End it"
      busy={end.isPending}
      error={end.error}
      onConfirm={() => session && end.mutate({ id: session.id })}
      onClose={onClose}
    >
      {session && (
        <>
          {browserOf(session.userAgent)} at {session.address}, signed in <Time time={session.createdAt} ago />.
          {session.isCurrent ? " It is this one: you are signed out at once." : " Whoever uses it is signed out at once."}
        </>
      )}
    </TypedConfirm>
  );
}

function EndAll({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [keeps, setKeeps] = useState(false);
  const close = () => {
    // The next question begins as this one did.
    setKeeps(false);
    onClose();
  };
  const refresh = useRefresh(SessionService);
  const end = useMutation(SessionService.method.revokeAllSessions, {
    onSuccess: ({ revokedCount }, { keepCurrent }) => {
      if (!keepCurrent) {
        leave();
        return;
      }
      say(revokedCount === 1 ? "1 session is ended." : `${formatCount(revokedCount)} sessions are ended.`);
      close();
      void refresh();
    },
  });
  return (
    <TypedConfirm
      opened={opened}
      title="Log out everywhere"
      word="everywhere"
      action="Log out everywhere"
      busy={end.isPending}
      error={end.error}
      onConfirm={() => end.mutate({ keepCurrent: keeps })}
      onClose={close}
    >
      <Stack gap="xs">
        <Text size="sm">All sessions end at once, those that began with another management token, too. The management token itself stays as it is: replace it if somebody has it who should not.</Text>
        <Switch label="Stay signed in here" checked={keeps} onChange={(event) => setKeeps(event.currentTarget.checked)} />
      </Stack>
    </TypedConfirm>
  );
}
