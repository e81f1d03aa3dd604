import { useQuery } from "@connectrpc/connect-query";
import { TokenService } from "@tollkeeper/client/v1/token_service";
import { EmptyState } from "../../../shared/ui/EmptyState";
import { ButtonLink } from "../../../shared/ui/links";

/** What stands in place of a conversation that has not begun: what is to be done first. */
export function NothingAsked({ hasToken }: { hasToken: boolean }) {
  const { data } = useQuery(TokenService.method.listTokens, { pageSize: 1, activeOnly: true }, { enabled: !hasToken });
  if (!hasToken && data?.tokens.length === 0)
    return (
      <EmptyState title="No token yet" action={<ButtonLink to="/tokens" search={{ act: "new" }}>Make a token</ButtonLink>}>
        A chat is a call of one of the gateway's tokens, and there is none that is active.
      </EmptyState>
    );
  return <EmptyState title="Nothing was asked yet">Choose a token and a model, then write a message.</EmptyState>;
}
