import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { Button, Group, Stack, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { type Project, ProjectService } from "@tollkeeper/client/v1/project_service";
import { UsageGroup, UsageService } from "@tollkeeper/client/v1/usage_service";
import { lazy, Suspense, useState } from "react";
import { useCursor } from "../../../shared/api/useCursor";
import { formatDollars, formatShort } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { EmptyState, NoMatch } from "../../../shared/ui/EmptyState";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { AnchorLink } from "../../../shared/ui/links";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { type Column, Pages, PageTable } from "../../../shared/ui/PageTable";
import { SearchBox } from "../../../shared/ui/SearchBox";
import { Select } from "../../../shared/ui/inputs";
import { StateBadge } from "../../../shared/ui/StateBadge";
import { rangeOf } from "../../../shared/url/range";
import { changed } from "../../../shared/url/search";
import { costText } from "../../../shared/usage/Sums";
import { ProjectMenu } from "../parts/ProjectMenu";
import { RevokeAll } from "../parts/RevokeAll";
import { TokenCount } from "../parts/TokenCount";
import type { readProjectsSearch } from "../search";
import { useActivation } from "../useActivation";

const ProjectDrawer = lazy(() => import("../parts/ProjectDrawer").then((it) => ({ default: it.ProjectDrawer })));
const route = getRouteApi("/projects");
const SIZE = 25;
const REFRESH_MS = 30_000;
const NEWEST = "created_at desc";

export function ProjectsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const put = (change: Partial<{ [Key in keyof ReturnType<typeof readProjectsSearch>]: ReturnType<typeof readProjectsSearch>[Key] | undefined }>, replace = true) =>
    void navigate({ search: (old) => changed(old, change), replace });
  const { q, state, order = NEWEST } = search;
  const cursor = useCursor(JSON.stringify([q, state, order]));
  const { data, error, isPlaceholderData, refetch } = useQuery(
    ProjectService.method.listProjects,
    { search: q ?? "", orderBy: order, pageSize: SIZE, pageToken: cursor.pageToken, withTotal: true, ...(state && { isActive: state === "active" }) },
    { placeholderData: keepPreviousData, refetchInterval: REFRESH_MS },
  );
  const used = useUsage(data?.projects);
  const activation = useActivation();
  const [revoking, setRevoking] = useState<Project>();
  const filtered = q !== undefined || state !== undefined;

  const columns: Column<Project>[] = [
    {
      key: "name",
      title: "Name",
      order: "name",
      render: (it) => (
        <Stack gap={0}>
          <AnchorLink to="/projects/$id" params={{ id: it.id }} fw={600}>{it.name}</AnchorLink>
          {it.description !== "" && <Text size="xs" c="dimmed" lineClamp={1} maw={360}>{it.description}</Text>}
        </Stack>
      ),
    },
    { key: "state", title: "State", render: (it) => <StateBadge tone={it.isActive ? "good" : "neutral"}>{it.isActive ? "Active" : "Inactive"}</StateBadge> },
    { key: "tokens", title: "Tokens", align: "right", render: (it) => <TokenCount projectId={it.id} name={it.name} /> },
    { key: "requests", title: "Requests, 7 days", align: "right", render: (it) => used(it.id)?.requests ?? "–" },
    { key: "cost", title: "Cost, 7 days", align: "right", render: (it) => used(it.id)?.cost ?? "–" },
    { key: "last", title: "Last used", render: (it) => <Time time={it.lastUsedAt} ago /> },
    { key: "created", title: "Created", order: "created_at", wide: true, render: (it) => <Time time={it.createdAt} ago /> },
  ];
  const newButton = <Button leftSection={<IconPlus size={16} />} data-page-new onClick={() => put({ act: "new" }, false)}>New project</Button>;

  return (
    <Stack>
      <PageHeader title="Projects" description="Projects own tokens and usage." actions={newButton} />
      <Group align="end" className="tk-filters">
        <SearchBox label="Search" value={q} onChange={(it) => put({ q: it })} />
        <Select
          label="State"
          clearable
          placeholder="Any"
          data={[{ value: "active", label: "Active" }, { value: "inactive", label: "Inactive" }]}
          value={state ?? null}
          onChange={(it) => put({ state: it === "active" || it === "inactive" ? it : undefined })}
        />
      </Group>
      {error && <ErrorState title="The projects can't be read" error={error} retry={() => void refetch()} />}
      {(!error || data) && (
        <>
          <PageTable
            label="Projects"
            rows={data?.projects}
            columns={columns}
            rowKey={(it) => it.id}
            fetching={isPlaceholderData}
            order={order}
            onOrder={(it) => put({ order: it === NEWEST ? undefined : it })}
            onOpen={(it) => void navigate({ to: "/projects/$id", params: { id: it.id } })}
            actions={(it) => (
              <ProjectMenu
                project={it}
                onEdit={() => put({ act: "edit", id: it.id }, false)}
                onActive={(isActive) => activation.set(it, isActive)}
                onRevokeAll={() => setRevoking(it)}
              />
            )}
            empty={
              filtered ? (
                <NoMatch clear={() => put({ q: undefined, state: undefined })} />
              ) : (
                <EmptyState title="No project yet" action={<Button onClick={() => put({ act: "new" }, false)}>New project</Button>}>
                  A project stands for an application or a team. Its tokens let applications call the gateway, and usage is counted by it.
                </EmptyState>
              )
            }
          />
          <Pages cursor={cursor} next={data?.nextPageToken} total={data?.totalSize} />
        </>
      )}
      <Suspense>
        {(search.act === "new" || (search.act === "edit" && search.id !== undefined)) && (
          <ProjectDrawer
            id={search.act === "new" ? undefined : search.id}
            onDone={(id) => (search.act === "new" ? void navigate({ to: "/projects/$id", params: { id } }) : put({ act: undefined, id: undefined }))}
            onClose={() => put({ act: undefined, id: undefined })}
          />
        )}
      </Suspense>
      <RevokeAll project={revoking} onClose={() => setRevoking(undefined)} />
    </Stack>
  );
}

/** What the projects of a page used in seven days, by their ids. */
function useUsage(projects: readonly Project[] | undefined): (id: string) => { requests: string; cost: string } | undefined {
  const { start, end } = rangeOf({}, "7d");
  const { data } = useQuery(
    UsageService.method.summarizeUsage,
    {
      projectIds: (projects ?? []).map((it) => it.id),
      groupBy: [UsageGroup.PROJECT],
      startTime: timestampFromDate(start),
      endTime: timestampFromDate(end),
    },
    { enabled: projects !== undefined && projects.length > 0, placeholderData: keepPreviousData },
  );
  return (id) => {
    if (data === undefined) return undefined;
    const row = data.rows.find((it) => it.projectId === id);
    return { requests: formatShort(row?.requests ?? 0n), cost: row ? costText(row) : formatDollars(0n) };
  };
}
