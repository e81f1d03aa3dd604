import { useMutation } from "@connectrpc/connect-query";
import { type Token, TokenService } from "@tollkeeper/client/v1/token_service";
import { useRefresh } from "../../shared/api/useRefresh";
import { complain, say } from "../../shared/ui/say";
import { offerUndo } from "../../shared/ui/undo";

/** What a token is called: by its name, or by its masked secret where it has none. */
export const titleOf = (token: Pick<Token, "name" | "token">): string => token.name || token.token;

/** Activate and deactivate a token; who deactivated one can take it back for a moment. */
export function useActivation(): { set: (token: Token, isActive: boolean) => void; busy: boolean } {
  const refresh = useRefresh(TokenService);
  const { mutateAsync, isPending } = useMutation(TokenService.method.updateToken);
  async function put(token: Token, isActive: boolean) {
    await mutateAsync({ id: token.id, isActive, updateMask: { paths: ["is_active"] } });
    await refresh();
    if (isActive) say(`Token ${titleOf(token)} is active.`);
    else offerUndo(`Token ${titleOf(token)} is deactivated: requests with it are refused.`, () => put(token, true));
  }
  return {
    set: (token, isActive) => void put(token, isActive).catch((error: unknown) => complain(`Token ${titleOf(token)} was not changed`, error)),
    busy: isPending,
  };
}
