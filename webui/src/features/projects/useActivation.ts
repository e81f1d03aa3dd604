import { useMutation } from "@connectrpc/connect-query";
import { type Project, ProjectService } from "@tollkeeper/client/v1/project_service";
import { useRefresh } from "../../shared/api/useRefresh";
import { complain, say } from "../../shared/ui/say";
import { offerUndo } from "../../shared/ui/undo";

type Named = Pick<Project, "id" | "name">;

/** Activate and deactivate a project; who deactivated one can take it back for a moment. */
export function useActivation(): { set: (project: Named, isActive: boolean) => void; busy: boolean } {
  const refresh = useRefresh(ProjectService);
  const { mutateAsync, isPending } = useMutation(ProjectService.method.updateProject);
  async function put({ id, name }: Named, isActive: boolean) {
    await mutateAsync({ id, isActive, updateMask: { paths: ["is_active"] } });
    await refresh();
    if (isActive) say(`Project ${name} is active.`);
    else offerUndo(`Project ${name} is inactive: its tokens are refused.`, () => put({ id, name }, true));
  }
  return {
    set: (project, isActive) => void put(project, isActive).catch((error: unknown) => complain(`Project ${project.name} was not changed`, error)),
    busy: isPending,
  };
}
