import { useQuery } from "@connectrpc/connect-query";
import { Drawer, Skeleton, Stack } from "@mantine/core";
import { ProjectService } from "@tollkeeper/client/v1/project_service";
import { TokenService } from "@tollkeeper/client/v1/token_service";
import { isNoSuch } from "../../../shared/api/errors";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { NoSuchDialog } from "../../../shared/ui/NoSuchDialog";
import { type Minted, TokenForm } from "./TokenForm";

interface Props {
  /** The id of the token that is edited; undefined makes a new one. */
  id: string | undefined;
  projectId?: string | undefined;
  onDone: (minted?: Minted) => void;
  onClose: () => void;
}

/** The drawer in which a token is made or edited. */
export function TokenDrawer({ id, projectId, onDone, onClose }: Props) {
  return id === undefined ? (
    <New projectId={projectId} onDone={onDone} onClose={onClose} />
  ) : (
    <Stored id={id} onDone={onDone} onClose={onClose} />
  );
}

/** A new token is of the page's project, or of the only one that there is. The form waits for the first answer, good or bad. */
function New({ projectId, onDone, onClose }: Omit<Props, "id">) {
  const asked = { isActive: true, pageSize: 2 };
  const { data, isPending, failureCount } = useQuery(ProjectService.method.listProjects, asked, { enabled: projectId === undefined });
  if (projectId === undefined && isPending && failureCount === 0) return null;
  const [only, ...others] = data?.projects ?? [];
  return <TokenForm token={undefined} projectId={projectId ?? (others.length === 0 ? only?.id : undefined)} onDone={onDone} onClose={onClose} />;
}

function Stored({ id, onDone, onClose }: { id: string } & Pick<Props, "onDone" | "onClose">) {
  const { data, error, refetch } = useQuery(TokenService.method.getToken, { id });
  if (data?.token) return <TokenForm token={data.token} onDone={onDone} onClose={onClose} />;
  if (error && isNoSuch(error)) return <NoSuchDialog kind="token" id={id} onClose={onClose} />;
  return (
    <Drawer opened onClose={onClose} title="Edit token">
      {error && <ErrorState title="The token can't be read" error={error} retry={() => void refetch()} />}
      {!error && <Stack aria-busy><Skeleton h={56} /><Skeleton h={80} /><Skeleton h={56} /></Stack>}
    </Drawer>
  );
}
