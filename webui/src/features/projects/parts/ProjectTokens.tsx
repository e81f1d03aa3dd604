import { useQuery } from "@connectrpc/connect-query";
import { keepPreviousData } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { Project } from "@tollkeeper/client/v1/project_service";
import { type Token, TokenService } from "@tollkeeper/client/v1/token_service";
import { formatCount } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { EmptyState } from "../../../shared/ui/EmptyState";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { AnchorLink, ButtonLink } from "../../../shared/ui/links";
import { type Column, PageTable } from "../../../shared/ui/PageTable";
import { RequestCount } from "../../../shared/ui/RequestCount";
import { Section } from "../../../shared/ui/Section";
import { TokenStateBadge } from "../../../shared/ui/TokenStateBadge";

const SHOWN = 10;
const REFRESH_MS = 15_000;

const COLUMNS: Column<Token>[] = [
  { key: "name", title: "Name", render: (it) => <AnchorLink to="/tokens/$id" params={{ id: it.id }}>{it.name || it.token}</AnchorLink> },
  { key: "state", title: "State", render: (it) => <TokenStateBadge state={it.state} /> },
  { key: "requests", title: "Requests", render: (it) => <RequestCount count={it.requestCount} limit={it.maxRequests} /> },
  { key: "used", title: "Last used", render: (it) => <Time time={it.lastUsedAt} ago /> },
  { key: "expires", title: "Expires", render: (it) => <Time time={it.expiresAt} ago /> },
];

/** The tokens of a project that were used last. */
export function ProjectTokens({ project }: { project: Project }) {
  const navigate = useNavigate();
  const { data, error, refetch } = useQuery(
    TokenService.method.listTokens,
    { projectId: project.id, pageSize: SHOWN, orderBy: "last_used_at desc", withTotal: true },
    { placeholderData: keepPreviousData, refetchInterval: REFRESH_MS },
  );
  const total = data?.totalSize ?? 0;
  return (
    <Section
      title="Tokens"
      actions={<AnchorLink to="/tokens" search={{ project: project.id }}>{total > SHOWN ? `All ${formatCount(total)} tokens` : "In the list of tokens"}</AnchorLink>}
    >
      {error && <ErrorState title="The tokens can't be read" error={error} retry={() => void refetch()} />}
      {(!error || data) && (
        <PageTable
          label="Tokens of the project"
          rows={data?.tokens}
          columns={COLUMNS}
          rowKey={(it) => it.id}
          onOpen={(it) => void navigate({ to: "/tokens/$id", params: { id: it.id } })}
          empty={
            <EmptyState
              title="No token yet"
              action={project.isActive && <ButtonLink to="/tokens" search={{ project: project.id, act: "new" }}>New token</ButtonLink>}
            >
              Applications show a token with each call. Make one for each application.
            </EmptyState>
          }
        />
      )}
    </Section>
  );
}
