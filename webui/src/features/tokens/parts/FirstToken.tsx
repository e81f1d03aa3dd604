import { useQuery } from "@connectrpc/connect-query";
import { Button } from "@mantine/core";
import { ProjectService } from "@tollkeeper/client/v1/project_service";
import { EmptyState } from "../../../shared/ui/EmptyState";
import { ButtonLink } from "../../../shared/ui/links";

/** Where there is no token at all: make one, or first the project that owns it. */
export function FirstToken({ onNew }: { onNew: () => void }) {
  const { data } = useQuery(ProjectService.method.listProjects, { pageSize: 1, isActive: true });
  if (data?.projects.length === 0)
    return (
      <EmptyState title="No token yet" action={<ButtonLink to="/projects" search={{ act: "new" }}>New project</ButtonLink>}>
        Applications show a token with each call. Each token belongs to a project, and there is no active project: make one first.
      </EmptyState>
    );
  return (
    <EmptyState title="No token yet" action={<Button onClick={onNew}>New token</Button>}>
      Applications show a token with each call, instead of a provider's key. Make one for each application.
    </EmptyState>
  );
}
