import { useQuery } from "@connectrpc/connect-query";
import { Stack, Text } from "@mantine/core";
import type { Limit, LimitScope } from "@tollkeeper/client/v1/limit";
import { LimitService } from "@tollkeeper/client/v1/limit_service";
import { ErrorState } from "../ui/ErrorState";
import { StandingBar } from "./StandingBar";
import { withStandings } from "./standing";

const REFRESH_MS = 3_000;

export interface StandingsProps {
  limits: readonly Limit[];
  /** What they are limits of, such as "Limits of all its tokens together". */
  of: string;
  scope: LimitScope;
  /** The id of a token or project, the name of a model or listener; empty for the gateway. */
  scopeId: string;
}

/** Limits in words, and how each stands, live. */
export function Standings({ limits, of, scope, scopeId }: StandingsProps) {
  const { data, error, refetch } = useQuery(LimitService.method.listLimitStandings, { scope, scopeId }, { enabled: limits.length > 0, refetchInterval: REFRESH_MS });
  if (limits.length === 0) return <Text size="sm">{of}: none.</Text>;
  return (
    <div>
      <Text size="sm" c="dimmed" mb="xs">{of}:</Text>
      {error && <ErrorState title="It can't be read how they stand" error={error} retry={() => void refetch()} />}
      <Stack component="ul" gap="sm" m={0} p={0} style={{ listStyle: "none" }} aria-label={of}>
        {withStandings(limits, data?.standings ?? []).map(({ words, standing }) => (
          <li key={words}><StandingBar title={words} standing={standing} /></li>
        ))}
      </Stack>
    </div>
  );
}
