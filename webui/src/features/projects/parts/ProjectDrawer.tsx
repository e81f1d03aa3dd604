import { useQuery } from "@connectrpc/connect-query";
import { Drawer, Skeleton, Stack } from "@mantine/core";
import { ProjectService } from "@tollkeeper/client/v1/project_service";
import { isNoSuch } from "../../../shared/api/errors";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { NoSuchDialog } from "../../../shared/ui/NoSuchDialog";
import { ProjectForm } from "./ProjectForm";

interface Props {
  /** The id of the project that is edited; undefined makes a new one. */
  id: string | undefined;
  onDone: (id: string) => void;
  onClose: () => void;
}

/** The drawer in which a project is made or edited. */
export function ProjectDrawer({ id, onDone, onClose }: Props) {
  return id === undefined ? <ProjectForm project={undefined} onDone={onDone} onClose={onClose} /> : <Stored id={id} onDone={onDone} onClose={onClose} />;
}

function Stored({ id, onDone, onClose }: Props & { id: string }) {
  const { data, error, refetch } = useQuery(ProjectService.method.getProject, { id });
  if (data?.project) return <ProjectForm project={data.project} onDone={onDone} onClose={onClose} />;
  if (error && isNoSuch(error)) return <NoSuchDialog kind="project" id={id} onClose={onClose} />;
  return (
    <Drawer opened onClose={onClose} title="Edit project">
      {error && <ErrorState title="The project can't be read" error={error} retry={() => void refetch()} />}
      {!error && <Stack aria-busy><Skeleton h={56} /><Skeleton h={80} /><Skeleton h={56} /></Stack>}
    </Drawer>
  );
}
