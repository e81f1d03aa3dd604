import { Code, Group, Skeleton, Text } from "@mantine/core";
import { LimitScope } from "@tollkeeper/client/v1/limit";
import type { Token } from "@tollkeeper/client/v1/token_service";
import { lazy, Suspense } from "react";
import { standingsHeight } from "../../../shared/limits/standingsHeight";
import { formatCount } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { Facts } from "../../../shared/ui/Facts";
import { AnchorLink } from "../../../shared/ui/links";
import { RequestCount } from "../../../shared/ui/RequestCount";
import { Section } from "../../../shared/ui/Section";

const Standings = lazy(() => import("../../../shared/limits/Standings").then((it) => ({ default: it.Standings })));

/** What a token may do, and how much of it is left. */
export function Limits({ token }: { token: Token }) {
  const left = token.maxRequests - token.requestCount;
  return (
    <Section title="Limits">
      <Facts
        facts={[
          { name: "Requests", value: <RequestCount count={token.requestCount} limit={token.maxRequests} whole /> },
          { name: "Left", value: token.maxRequests === 0n ? "unlimited" : formatCount(left > 0n ? left : 0n) },
          { name: "Expires", value: <Time time={token.expiresAt} /> },
          {
            name: "Allowed models",
            value:
              token.allowedModels.length === 0 ? (
                <Text span size="sm">all models</Text>
              ) : (
                <Group gap="xs">{token.allowedModels.map((it) => <Model key={it} name={it} />)}</Group>
              ),
          },
        ]}
      />
      <Suspense fallback={<Skeleton h={standingsHeight(token.limits)} />}><Standings limits={token.limits} of="Rates and budgets of the token" scope={LimitScope.TOKEN} scopeId={token.id} /></Suspense>
    </Section>
  );
}

/** A name of models; one that stands for a single model leads to it. */
function Model({ name }: { name: string }) {
  return name.includes("*") ? <Code>{name}</Code> : <AnchorLink to="/models/$name" params={{ name }}>{name}</AnchorLink>;
}
