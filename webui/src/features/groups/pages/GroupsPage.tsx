import { useQuery } from "@connectrpc/connect-query";
import { Button, Group as Row, Stack, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type Group, GroupService } from "@tollkeeper/client/v1/group_service";
import { useCursor } from "../../../shared/api/useCursor";
import { Time } from "../../../shared/format/Time";
import { strategyOf } from "../../../shared/traffic/policy";
import { EmptyState, NoMatch } from "../../../shared/ui/EmptyState";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { NameLink } from "../../../shared/ui/NameLink";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { type Column, Pages, PageTable } from "../../../shared/ui/PageTable";
import { RowMenu } from "../../../shared/ui/RowMenu";
import { SearchBox } from "../../../shared/ui/SearchBox";
import { type Change, changed } from "../../../shared/url/search";
import { Overlays } from "../parts/Overlays";

const SIZE = 25;
const MOST_NAMED = 6;

const columns: Column<Group>[] = [
  { key: "name", title: "Name", order: "name", render: (it) => <NameLink kind="group" name={it.name} strong /> },
  { key: "strategy", title: "Strategy", render: (it) => strategyOf(it.policy?.strategy).label },
  {
    key: "members",
    title: "Members",
    render: (it) => (
      <Row gap="xs">
        {it.members.slice(0, MOST_NAMED).map(({ upstream, weight }) => (
          <Text span key={upstream} size="sm">
            <NameLink kind="upstream" name={upstream} />{strategyOf(it.policy?.strategy).weighs && ` × ${weight ?? 1}`}
          </Text>
        ))}
        {it.members.length > MOST_NAMED && <Text span size="sm" c="dimmed">and {it.members.length - MOST_NAMED} more</Text>}
      </Row>
    ),
  },
  { key: "changed", title: "Changed", order: "updated_at", wide: true, render: (it) => <Time time={it.updatedAt} ago /> },
];

export function GroupsPage() {
  const search = useSearch({ from: "/groups" });
  const navigate = useNavigate({ from: "/groups" });
  const set = (change: Change<typeof search>) => void navigate({ search: (old) => changed(old, change) });
  const { q, order = "name", act, name } = search;
  const cursor = useCursor(JSON.stringify([q, order]));
  const list = useQuery(
    GroupService.method.listGroups,
    { search: q ?? "", orderBy: order, pageSize: SIZE, pageToken: cursor.pageToken, withTotal: true },
    { placeholderData: keepPreviousData },
  );
  const open = (it: string) => void navigate({ to: "/groups/$name", params: { name: it } });
  const close = () => set({ act: undefined, name: undefined });
  const create = <Button leftSection={<IconPlus size={16} />} data-page-new onClick={() => set({ act: "new" })}>New group</Button>;
  return (
    <Stack>
      <PageHeader title="Groups" description="Upstreams that can serve the same requests, and how requests are spread over them." actions={create} />
      <SearchBox label="Search name and members" value={q} onChange={(it) => set({ q: it })} />
      {list.error && <ErrorState title="The groups can't be read" error={list.error} retry={() => void list.refetch()} />}
      {(!list.error || list.data) && (
        <PageTable
          label="Groups"
          rows={list.data?.groups}
          columns={columns}
          rowKey={(it) => it.name}
          fetching={list.isPlaceholderData}
          order={order}
          onOrder={(it) => set({ order: it })}
          onOpen={(it) => open(it.name)}
          actions={(it) => (
            <RowMenu
              name={it.name}
              actions={[
                { label: "Edit", onClick: () => set({ act: "edit", name: it.name }) },
                { label: "Delete", danger: true, onClick: () => set({ act: "delete", name: it.name }) },
              ]}
            />
          )}
          empty={
            q !== undefined ? (
              <NoMatch clear={() => set({ q: undefined })} />
            ) : (
              <EmptyState title="No group yet" action={create}>
                A group spreads requests over several upstreams, and goes on with the others when one fails.
              </EmptyState>
            )
          }
        />
      )}
      <Pages cursor={cursor} next={list.data?.nextPageToken} total={list.data?.totalSize} />
      <Overlays act={act} name={name} onClose={close} onDeleted={close} onCreated={open} />
    </Stack>
  );
}
