import { useQuery } from "@connectrpc/connect-query";
import { Alert, Drawer, Group, Skeleton, Stack, Text, Title } from "@mantine/core";
import { IconMessage, IconRoute } from "@tabler/icons-react";
import { Confidence, type UsageEvent, UsageService } from "@tollkeeper/client/v1/usage_service";
import { ModelService } from "@tollkeeper/client/v1/model_service";
import { isNotFound } from "../../../shared/api/errors";
import { formatBytes, formatCount, formatDollars, formatMicroseconds } from "../../../shared/format/numbers";
import { formatClock, formatTime } from "../../../shared/format/times";
import { CopyText } from "../../../shared/ui/CopyText";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { type Fact, Facts } from "../../../shared/ui/Facts";
import { AnchorLink, ButtonLink } from "../../../shared/ui/links";
import { NameLink } from "../../../shared/ui/NameLink";
import { useZone } from "../../../shared/url/zone";
import { CallStatus } from "../../../shared/usage/CallParts";
import { CHATS, ENDPOINTS, meaningOf } from "../../../shared/usage/words";
import { Attempts } from "./Attempts";

const CONFIDENCE: Record<Confidence, string> = {
  [Confidence.UNSPECIFIED]: "unknown",
  [Confidence.EXACT]: "exact: the upstream's own counts",
  [Confidence.ESTIMATED]: "estimated from the bytes that passed: the upstream sent none",
  [Confidence.NONE]: "none: nothing was consumed, or nothing is counted here",
  [Confidence.PENDING]: "pending: the response or batch is made in the background, and its end was not read yet",
};
const PENDING_MS = 5_000;

/** One call: who made it, what became of it, and where its time went. */
export function CallDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const { data, error, refetch } = useQuery(
    UsageService.method.getUsageEvent,
    { id },
    { refetchInterval: ({ state }) => (state.data?.event?.confidence === Confidence.PENDING ? PENDING_MS : false) },
  );
  return (
    <Drawer opened onClose={onClose} title="Call" size="lg">
      {error && isNotFound(error) && (
        <Alert title="There is no such call" color="yellow">No call has the id {id}. A call is stored some seconds after it ended.</Alert>
      )}
      {error && !isNotFound(error) && <ErrorState title="The call can't be read" error={error} retry={() => void refetch()} />}
      {!data && !error && <Stack aria-busy><Skeleton h={28} w={200} /><Skeleton h={160} /><Skeleton h={120} /></Stack>}
      {data?.event && <Shown event={data.event} />}
    </Drawer>
  );
}

function Shown({ event }: { event: UsageEvent }) {
  const zone = useZone();
  const { modelAsked, modelServed, endpoint, listener, tokenId, projectId } = event;
  const path = ENDPOINTS[endpoint];
  return (
    <Stack gap="lg">
      <Stack gap={4}>
        <Group gap="xs">
          <CallStatus event={event} />
          {event.startedAt && <Text size="sm">{formatTime(event.startedAt, zone)}{formatClock(event.startedAt, zone).slice(5)} ({zone})</Text>}
        </Group>
        <Text size="sm">{meaningOf(event.status, event.errorCode, event.upstream)}</Text>
        <Group gap={4}><Text size="sm" c="dimmed">Request id</Text><CopyText value={event.requestId} label="Copy the request id" /></Group>
      </Stack>
      <Group gap="xs">
        {CHATS.has(endpoint) && (
          <ButtonLink size="xs" variant="default" leftSection={<IconMessage size={14} />} to="/playground" search={{ token: tokenId, ...(modelAsked ? { model: modelAsked } : {}) }}>
            Try it in the playground
          </ButtonLink>
        )}
        {path !== undefined && (
          <ButtonLink
            size="xs"
            variant="default"
            leftSection={<IconRoute size={14} />}
            to="/tester"
            search={{ ...(listener ? { listener } : {}), method: endpoint === "models" ? "GET" : "POST", path, ...(modelAsked ? { model: modelAsked } : {}), token: tokenId }}
          >
            Explain its way
          </ButtonLink>
        )}
      </Group>
      <Part title="Attempts and time"><Attempts event={event} /></Part>
      <Part title="Way">
        <Facts
          facts={[
            { name: "Project", value: <AnchorLink to="/projects/$id" params={{ id: projectId }}>{event.projectName || projectId}</AnchorLink> },
            { name: "Token", value: <AnchorLink to="/tokens/$id" params={{ id: tokenId }}>{event.tokenName || tokenId}</AnchorLink> },
            { name: "Endpoint", value: endpoint || "none that is known" },
            { name: "Model asked", value: modelAsked || "none" },
            { name: "Model served", value: modelServed ? <ModelLink name={modelServed} /> : "none" },
            { name: "Upstream", value: event.upstream ? <NameLink kind="upstream" name={event.upstream} /> : "none" },
            { name: "Listener", value: listener || "unknown" },
            { name: "Rule", value: event.rule || "none matched" },
            { name: "Group", value: event.group ? <NameLink kind="group" name={event.group} /> : "none" },
          ]}
        />
      </Part>
      <Part title="Times and sizes">
        <Facts
          facts={[
            { name: "First byte after", value: event.firstByteMicroseconds === 0n ? "none came" : formatMicroseconds(event.firstByteMicroseconds) },
            { name: "Duration", value: formatMicroseconds(event.durationMicroseconds) },
            { name: "Answer", value: event.streamed ? "streamed" : "whole" },
            { name: "Request's body", value: formatBytes(event.requestBytes) },
            { name: "Answer's body", value: formatBytes(event.responseBytes) },
          ]}
        />
      </Part>
      <Part title="Consumption">
        <Facts facts={consumption(event)} />
        <Text size="sm" c="dimmed">Counts: {CONFIDENCE[event.confidence]}.</Text>
        {event.costNanoDollars === undefined && <Text size="sm" c="dimmed">The cost is not known: something of this has no price.</Text>}
      </Part>
      <Text size="sm" c="dimmed">
        Bodies are not kept: neither what was asked nor what was answered. What stands here is all that is stored of a call; the gateway's log has
        its errors under the request id.
      </Text>
    </Stack>
  );
}

function consumption(event: UsageEvent): Fact[] {
  const { details, costNanoDollars } = event;
  const tier = details?.serviceTier ? [{ name: "Kind of service", value: details.serviceTier }] : [];
  const cost = { name: "Cost", value: costNanoDollars === undefined ? "not known" : formatDollars(costNanoDollars) };
  const tokens = [
    { name: "Prompt tokens", value: event.promptTokens, always: true },
    { name: "of them cached", value: event.cachedTokens },
    { name: "Completion tokens", value: event.completionTokens, always: true },
    { name: "of them reasoning", value: event.reasoningTokens },
    { name: "of them written to the cache", value: details?.cacheWritten ?? 0n },
    { name: "Images", value: event.images },
    { name: "Characters spoken", value: event.characters },
    { name: "Pages read", value: event.pages },
    { name: "of them annotated", value: details?.annotatedPages ?? 0n },
    { name: "Web searches", value: details?.webSearches ?? 0n },
    { name: "File searches", value: details?.fileSearches ?? 0n },
  ];
  const audio = event.audioMilliseconds > 0n ? [{ name: "Audio", value: formatMicroseconds(event.audioMilliseconds * 1000n) }] : [];
  return [...tokens.filter((it) => it.always || it.value > 0n).map(({ name, value }) => ({ name, value: formatCount(value) })), ...audio, ...tier, cost];
}

/** A model that was served need not be one that is configured: it leads to its page only if it has one. */
function ModelLink({ name }: { name: string }) {
  const { data } = useQuery(ModelService.method.getModel, { name }, { retry: false, staleTime: 60_000 });
  return data?.model?.name === name ? <NameLink kind="model" name={name} /> : <>{name}</>;
}

function Part({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <Stack gap="xs" component="section" aria-label={title}>
      <Title order={3} size="h5">{title}</Title>
      {children}
    </Stack>
  );
}
