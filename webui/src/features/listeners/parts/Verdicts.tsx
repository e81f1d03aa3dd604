import { useQuery } from "@connectrpc/connect-query";
import { Alert, Box, Group, Stack, Text } from "@mantine/core";
import { IconCircleCheck, IconCircleDashed, IconCircleX } from "@tabler/icons-react";
import type { ExplainRequestResponse, Verdict } from "@tollkeeper/client/v1/configuration_service";
import { TokenService } from "@tollkeeper/client/v1/token_service";
import { Section } from "../../../shared/ui/Section";

const STEPS: readonly { step: string; title: string }[] = [
  { step: "listener", title: "Listener" },
  { step: "endpoint", title: "Endpoint" },
  { step: "token", title: "Token" },
  { step: "route", title: "Route" },
  { step: "affinity", title: "Affinity" },
  { step: "limit", title: "Limits" },
  { step: "member", title: "Upstream" },
];

/** Whether the request would pass, and the verdict of each step in the order in which they look. */
export function Verdicts({ told }: { told: ExplainRequestResponse }) {
  const refused = told.verdicts.find((it) => !it.passed);
  return (
    <>
      {refused ? (
        <Alert color="red" role="status" title={`It would be refused with status ${refused.status}, ${refused.code}`} icon={<IconCircleX size={18} />}>
          <Text size="sm">{refused.detail}</Text>
        </Alert>
      ) : (
        <Alert color="green" role="status" title={passedTitle(told)} icon={<IconCircleCheck size={18} />}>
          <Text size="sm">By revision {String(told.revision)} of the configuration. Nothing was sent, and nothing is used up.</Text>
        </Alert>
      )}
      <Section title="Steps">
        <Stack component="ol" gap="sm" m={0} p={0} style={{ listStyle: "none" }}>
          {STEPS.map(({ step, title }) => (
            <Step key={step} title={title} verdict={told.verdicts.find((it) => it.step === step)} tokenId={step === "token" ? told.tokenId : ""} isRefused={refused !== undefined} />
          ))}
        </Stack>
      </Section>
    </>
  );
}

function passedTitle(told: ExplainRequestResponse): string {
  const chosen = told.members.find((it) => it.isChosen)?.upstream;
  if (chosen !== undefined) return `It would be sent to ${chosen}`;
  return told.verdicts.some((it) => it.step === "member") ? "It would be sent to an upstream" : "The gateway would answer it itself";
}

interface StepProps {
  title: string;
  verdict: Verdict | undefined;
  /** The token that the step found, empty if it is about none. */
  tokenId: string;
  isRefused: boolean;
}

/** The names of a token and its project: what the gateway says of the step has their ids. */
function Owner({ tokenId }: { tokenId: string }) {
  const token = useQuery(TokenService.method.getToken, { id: tokenId }).data?.token;
  return token && <Text size="sm">{`${token.name || token.token} of ${token.projectName || token.projectId}`}</Text>;
}

function Step({ title, verdict, tokenId, isRefused }: StepProps) {
  const [Icon, color, word] =
    verdict === undefined
      ? [IconCircleDashed, "gray", isRefused ? "not reached" : "not needed"]
      : verdict.passed
        ? [IconCircleCheck, "green", "passed"]
        : [IconCircleX, "red", "refused"];
  return (
    <Group component="li" gap="sm" wrap="nowrap" align="start" aria-label={`${title}: ${word}`}>
      <Icon size={20} aria-hidden color={`var(--mantine-color-${color}-6)`} style={{ flex: "none", marginTop: 1 }} />
      <Box miw={0}>
        <Text size="sm"><b>{title}</b><Text span c="dimmed" size="sm">{` ${word}`}</Text></Text>
        {verdict?.passed && tokenId !== "" && <Owner tokenId={tokenId} />}
        {verdict && <Text size="sm" style={{ overflowWrap: "anywhere" }}>{verdict.detail}</Text>}
        {verdict && !verdict.passed && <Text size="sm" c="dimmed">{`The caller would be answered with status ${verdict.status} and the code ${verdict.code}.`}</Text>}
      </Box>
    </Group>
  );
}
