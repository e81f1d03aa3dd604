import { useMutation } from "@connectrpc/connect-query";
import { type Token, TokenService } from "@tollkeeper/client/v1/token_service";
import { useRefresh } from "../../../shared/api/useRefresh";
import { TypedConfirm } from "../../../shared/ui/TypedConfirm";
import { titleOf } from "../useTokenActions";
import type { Minted } from "./TokenForm";

interface Props {
  /** The token that gets another secret; undefined closes the dialog. */
  token: Token | undefined;
  onRotated: (minted: Minted) => void;
  onClose: () => void;
}

/** The question before a token's secret is replaced. */
export function Rotate({ token, onRotated, onClose }: Props) {
  const refresh = useRefresh(TokenService);
  const rotate = useMutation(TokenService.method.rotateToken, { gcTime: 0 });
  const close = () => {
    rotate.reset();
    onClose();
  };
  const confirm = async () => {
    if (token === undefined) return;
    const answer = await rotate.mutateAsync({ id: token.id }).catch(() => undefined);
    if (answer === undefined) return;
    await refresh();
    close();
    onRotated({ secret: answer.token, allowedModels: token.allowedModels });
  };
  return (
    <TypedConfirm
      opened={token !== undefined}
      title="Rotate the token"
      action="Rotate"
      busy={rotate.isPending}
      error={rotate.error}
      onConfirm={() => void confirm()}
      onClose={close}
    >
      <b>{token && titleOf(token)}</b> gets another secret, which is shown once. The present one stops working at once: applications that
      use it are refused until they have the new one. Limits, expiry and usage stay.
    </TypedConfirm>
  );
}
