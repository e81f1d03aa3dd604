import { useMutation } from "@connectrpc/connect-query";
import { Alert, List, Stack, Text } from "@mantine/core";
import { type Token, TokenService } from "@tollkeeper/client/v1/token_service";
import { useRefresh } from "../../../shared/api/useRefresh";
import { formatCount } from "../../../shared/format/numbers";
import { TypedConfirm } from "../../../shared/ui/TypedConfirm";
import { say } from "../../../shared/ui/say";
import { titleOf } from "../useTokenActions";

export type Revocable = Pick<Token, "id" | "name" | "token">;

interface Props {
  /** The tokens that are revoked; none closes the dialog. */
  tokens: readonly Revocable[];
  /** Hear which of them are left: none if all are revoked. */
  onLeft: (left: readonly Revocable[]) => void;
  onClose: () => void;
}

const NAMED = 5;

/** The question before tokens are revoked. Those that could not be revoked are tried again by the same button. */
export function Revoke({ tokens, onLeft, onClose }: Props) {
  const refresh = useRefresh(TokenService);
  const revoke = useMutation(TokenService.method.batchRevokeTokens);
  const failed = revoke.data?.failed ?? [];
  const tried = revoke.variables?.ids?.length ?? 0;
  const close = () => {
    revoke.reset();
    onClose();
  };
  const confirm = async () => {
    const answer = await revoke.mutateAsync({ ids: tokens.map((it) => it.id) }).catch(() => undefined);
    await refresh();
    if (answer === undefined) return;
    const left = tokens.filter((token) => answer.failed.some((it) => it.id === token.id));
    onLeft(left);
    if (left.length > 0) return;
    say(`${count(answer.revoked.length)} revoked${answer.alreadyRevoked.length > 0 ? `, ${formatCount(answer.alreadyRevoked.length)} inactive before` : ""}.`);
    close();
  };
  const names = tokens.slice(0, NAMED).map(titleOf);
  return (
    <TypedConfirm
      opened={tokens.length > 0}
      title={tokens.length === 1 ? "Revoke the token" : `Revoke ${count(tokens.length)}`}
      action={failed.length > 0 ? "Try again" : tokens.length === 1 ? "Revoke" : `Revoke ${formatCount(tokens.length)}`}
      busy={revoke.isPending}
      error={revoke.error}
      onConfirm={() => void confirm()}
      onClose={close}
    >
      <Stack gap="xs">
        {failed.length > 0 && (
          <Alert color="red" role="alert" title={`${formatCount(failed.length)} of ${formatCount(tried)} left, try again`}>
            <List size="sm">{[...new Set(failed.map((it) => it.message || it.reason))].map((it) => <List.Item key={it}>{it}</List.Item>)}</List>
          </Alert>
        )}
        <Text size="sm">
          Requests with {tokens.length === 1 ? "it" : "them"} are refused at once, those of running applications, too:{" "}
          <b>{names.join(", ")}</b>{tokens.length > NAMED && ` and ${formatCount(tokens.length - NAMED)} more`}.
        </Text>
      </Stack>
    </TypedConfirm>
  );
}

const count = (many: number): string => (many === 1 ? "1 token" : `${formatCount(many)} tokens`);
