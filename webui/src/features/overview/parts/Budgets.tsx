import { useQuery } from "@connectrpc/connect-query";
import { Button, List, Text } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { type LimitStanding, LimitService } from "@tollkeeper/client/v1/limit_service";
import { useState } from "react";
import { formatCount } from "../../../shared/format/numbers";
import { ScopeLink, SCOPES } from "../../../shared/limits/ScopeLink";
import { StandingBar } from "../../../shared/limits/StandingBar";
import { limitInWords } from "../../../shared/limits/words";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { Section } from "../../../shared/ui/Section";

const FEW = 5;
const MANY = 100;
const REFRESH_MS = 5_000;

/** The budgets that are nearest to their limits; nothing where there are none. */
export function Budgets() {
  const [many, setMany] = useState(false);
  const { data, error, refetch } = useQuery(
    LimitService.method.listLimitStandings,
    { budgetsOnly: true, maxResults: many ? MANY : FEW },
    { refetchInterval: REFRESH_MS, placeholderData: keepPreviousData },
  );
  if (!error && !data?.total) return null;
  return (
    <Section
      title="Budgets"
      actions={
        data && data.total > FEW && (
          <Button variant="default" size="xs" aria-expanded={many} onClick={() => setMany((it) => !it)}>
            {many ? "Show fewer" : `Show ${data.total > MANY ? `${MANY} of ${formatCount(data.total)}` : `all ${data.total}`}`}
          </Button>
        )
      }
    >
      {error && <ErrorState title="It can't be read how budgets stand" error={error} retry={() => void refetch()} />}
      <Text size="sm" c="dimmed">
        The nearest to their limits first.
        {data?.tokensLeftOut && " More than 1,000 tokens have limits; those that were used latest are among these."}
      </Text>
      <List listStyleType="none" spacing="sm" aria-label="Budgets" styles={{ itemWrapper: { display: "block" }, itemLabel: { display: "block" } }}>
        {data?.standings.map((it) => <List.Item key={keyOf(it)}><StandingBar title={<Title standing={it} />} standing={it} /></List.Item>)}
      </List>
    </Section>
  );
}

const wordsOf = ({ limit }: LimitStanding): string => (limit ? limitInWords(limit) : "");
const keyOf = (it: LimitStanding): string => `${it.scope} ${it.scopeId} ${wordsOf(it)}`;

function Title({ standing }: { standing: LimitStanding }) {
  const { scope, scopeId, scopeName } = standing;
  const name = scopeName || scopeId;
  return (
    <>
      <ScopeLink scope={scope} scopeId={scopeId}>{name === "" ? SCOPES[scope] : name}</ScopeLink>
      {name !== "" && <Text span size="sm" c="dimmed"> {SCOPES[scope]}</Text>}
      : {wordsOf(standing)}
    </>
  );
}
