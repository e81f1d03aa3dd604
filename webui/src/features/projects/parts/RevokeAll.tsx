import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Alert, Stack, Text } from "@mantine/core";
import { type Project, ProjectService } from "@tollkeeper/client/v1/project_service";
import { TokenService, TokenState } from "@tollkeeper/client/v1/token_service";
import { useRefresh } from "../../../shared/api/useRefresh";
import { formatCount } from "../../../shared/format/numbers";
import { TypedConfirm } from "../../../shared/ui/TypedConfirm";
import { say } from "../../../shared/ui/say";

interface Props {
  /** The project whose tokens are revoked; undefined closes the dialog. */
  project: Pick<Project, "id" | "name"> | undefined;
  onClose: () => void;
}

const UNREVOKED = [TokenState.ACTIVE, TokenState.EXPIRING, TokenState.EXPIRED, TokenState.EXHAUSTED];
const MOST_COUNTED = 10_000;

/** The question before every token of a project is revoked. What could not be revoked is tried again by the same button. */
export function RevokeAll({ project, onClose }: Props) {
  const refresh = useRefresh(ProjectService, TokenService);
  const revoke = useMutation(ProjectService.method.revokeProjectTokens);
  const counted = useQuery(
    TokenService.method.listTokens,
    { projectId: project?.id ?? "", pageSize: 1, withTotal: true, states: UNREVOKED },
    { enabled: project !== undefined, staleTime: 0 },
  );
  const total = counted.data?.totalSize;
  const left = revoke.data?.failedCount ?? 0;
  const close = () => {
    revoke.reset();
    onClose();
  };
  const confirm = async () => {
    if (project === undefined) return;
    const answer = await revoke.mutateAsync({ id: project.id }).catch(() => undefined);
    await refresh();
    if (answer === undefined || answer.failedCount > 0) return;
    say(`${tokens(answer.revokedCount)} of ${project.name} revoked.`);
    close();
  };
  return (
    <TypedConfirm
      opened={project !== undefined}
      title="Revoke all tokens"
      word={project?.name ?? ""}
      action={left > 0 ? "Try again" : "Revoke all"}
      busy={revoke.isPending}
      error={revoke.error}
      onConfirm={() => void confirm()}
      onClose={close}
    >
      <Stack gap="xs">
        {left > 0 && (
          <Alert color="red" role="alert" title={`${formatCount(left)} of ${formatCount(revoke.data?.totalTokens ?? left)} left, try again`}>
            {`${tokens(revoke.data?.revokedCount ?? 0)} revoked. The others could not be revoked and still admit requests.`}
          </Alert>
        )}
        <Text size="sm">
          {total === undefined ? "Every token" : total >= MOST_COUNTED ? `${formatCount(MOST_COUNTED)} or more tokens` : tokens(total)}
          {" of "}<b>{project?.name}</b>{" will be revoked. Requests with them are refused at once, those of running applications, too."}
        </Text>
      </Stack>
    </TypedConfirm>
  );
}

const tokens = (count: number): string => (count === 1 ? "1 token" : `${formatCount(count)} tokens`);
