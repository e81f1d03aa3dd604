import { Code, Stack } from "@mantine/core";
import type { Token } from "@tollkeeper/client/v1/token_service";
import { Time } from "../../../shared/format/Time";
import { AnchorLink } from "../../../shared/ui/links";
import type { Column } from "../../../shared/ui/PageTable";
import { RequestCount } from "../../../shared/ui/RequestCount";
import { TokenStateBadge } from "../../../shared/ui/TokenStateBadge";

export const COLUMNS: readonly Column<Token>[] = [
  {
    key: "name",
    title: "Name",
    order: "name",
    render: (it) => (
      <Stack gap={0} align="start">
        <AnchorLink to="/tokens/$id" params={{ id: it.id }} fw={600}>{it.name || it.token}</AnchorLink>
        {it.name !== "" && <Code style={{ whiteSpace: "nowrap" }}>{it.token}</Code>}
      </Stack>
    ),
  },
  {
    key: "project",
    title: "Project",
    render: (it) => <AnchorLink to="/projects/$id" params={{ id: it.projectId }}>{it.projectName || it.projectId}</AnchorLink>,
  },
  { key: "state", title: "State", render: (it) => <TokenStateBadge state={it.state} /> },
  { key: "requests", title: "Requests", render: (it) => <RequestCount count={it.requestCount} limit={it.maxRequests} /> },
  { key: "used", title: "Last used", order: "last_used_at", render: (it) => <Time time={it.lastUsedAt} ago /> },
  { key: "expires", title: "Expires", order: "expires_at", render: (it) => <Time time={it.expiresAt} ago /> },
  { key: "created", title: "Created", order: "created_at", wide: true, render: (it) => <Time time={it.createdAt} ago /> },
];
