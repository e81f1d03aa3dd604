import { useQuery } from "@connectrpc/connect-query";
import { Group, Text, Timeline } from "@mantine/core";
import { type Model, ModelService } from "@tollkeeper/client/v1/model_service";
import { isNotFound } from "../../../shared/api/errors";
import { NameLink } from "../../../shared/ui/NameLink";
import { StateBadge } from "../../../shared/ui/StateBadge";
import { CAUSES } from "../capabilities";

const MOST_NAMED = 5;

/** What is tried for a request of a model, in order. */
export function FallbackChain({ model }: { model: Model }) {
  const causes = CAUSES.filter((it) => model.fallbackOn.includes(it.value)).map((it) => it.meaning);
  const isPinned = model.fallbacks.length === 0;
  return (
    <>
      <Timeline active={model.fallbacks.length} bulletSize={20} lineWidth={2} role="list" aria-label="Order of the models">
        <Timeline.Item role="listitem" bullet={<Text size="xs">1</Text>} title={model.name}><ServedBy model={model} /></Timeline.Item>
        {model.fallbacks.map((name, at) => (
          <Timeline.Item key={name} role="listitem" bullet={<Text size="xs">{at + 2}</Text>} title={<NameLink kind="model" name={name} strong />}>
            <Fallback name={name} />
          </Timeline.Item>
        ))}
      </Timeline>
      <Text size="sm" c="dimmed">
        {isPinned
          ? "It has no fallbacks: when all its upstreams are unavailable, callers get 503."
          : `The next is tried when all upstreams of the one before are unavailable${causes.length > 0 ? `, or when ${causes.join(" or when ")}` : ""}.`}
      </Text>
    </>
  );
}

function Fallback({ name }: { name: string }) {
  const { data, error } = useQuery(ModelService.method.getModel, { name }, { retry: false });
  if (data?.model) return <ServedBy model={data.model} />;
  const why = error && (isNotFound(error) ? "Another name of a model, or what a pattern matches" : "It can't be read");
  return <Text size="sm" c="dimmed">{why ?? "…"}</Text>;
}

function ServedBy({ model }: { model: Model }) {
  const named = [...new Set(model.deployments.map((it) => it.upstream))];
  return (
    <Group gap="xs">
      <Text size="sm" c="dimmed">by</Text>
      {model.group !== "" && <Text size="sm">the group <NameLink kind="group" name={model.group} inText /></Text>}
      {named.slice(0, MOST_NAMED).map((it) => <NameLink key={it} kind="upstream" name={it} />)}
      {named.length > MOST_NAMED && <Text size="sm" c="dimmed">and {named.length - MOST_NAMED} more</Text>}
      {!model.isActive && <StateBadge tone="neutral">Out of traffic</StateBadge>}
    </Group>
  );
}
