import { useQuery } from "@connectrpc/connect-query";
import { Text } from "@mantine/core";
import { TokenService } from "@tollkeeper/client/v1/token_service";
import { formatCount } from "../../../shared/format/numbers";
import { AnchorLink } from "../../../shared/ui/links";

const MOST_COUNTED = 10_000;

/** How many tokens a project has; it leads to them. */
export function TokenCount({ projectId, name }: { projectId: string; name: string }) {
  const { data } = useQuery(TokenService.method.listTokens, { projectId, pageSize: 1, withTotal: true }, { staleTime: 60_000 });
  const total = data?.totalSize;
  if (total === undefined) return <Text span size="sm" c="dimmed">…</Text>;
  const shown = total >= MOST_COUNTED ? `${formatCount(MOST_COUNTED)}+` : formatCount(total);
  return (
    <AnchorLink to="/tokens" search={{ project: projectId }} aria-label={`Tokens of ${name}: ${shown}`}>
      {shown}
    </AnchorLink>
  );
}
