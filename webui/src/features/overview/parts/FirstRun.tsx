import { Button, Group, Loader, Skeleton, Stack, Text, Timeline } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useDataUrl } from "../../../shared/api/dataUrl";
import { CallSnippets } from "../../../shared/ui/CallSnippets";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { AnchorLink, ButtonLink } from "../../../shared/ui/links";
import { Section } from "../../../shared/ui/Section";
import { CallModels, CallStatus } from "../../../shared/usage/CallParts";
import { stateOf, STEPS, type Step } from "../steps";
import type { Progress } from "../useFirstRun";

const LABELS: Record<Step, string> = {
  upstream: "Connect an upstream",
  model: "Name a model",
  project: "Make a project",
  token: "Make a token",
  call: "See the first call",
};

/** The way from a gateway with nothing in it to its first call, which is seen here when it comes. */
export function FirstRun({ progress }: { progress: Progress }) {
  const { step: next, error } = progress;
  if (next === undefined && !error) return <Skeleton h={460} />;
  return (
    <Section title="First steps">
      {error && <ErrorState title="It can't be said how far this gateway is" error={error} />}
      {next !== undefined && (
        <Timeline active={STEPS.indexOf(next)} bulletSize={28} lineWidth={2} role="list" aria-label="First steps">
          {STEPS.map((step, at) => {
            const state = stateOf(step, next);
            return (
              <Timeline.Item
                key={step}
                role="listitem"
                title={LABELS[step]}
                bullet={state === "done" ? <IconCheck size={16} role="img" aria-label="Done" /> : <Text span size="sm">{at + 1}</Text>}
                {...(state === "next" ? { "aria-current": "step" } : {})}
              >
                <Content step={step} state={state} progress={progress} />
              </Timeline.Item>
            );
          })}
        </Timeline>
      )}
    </Section>
  );
}

interface ContentProps {
  step: Step;
  state: "done" | "next" | "later";
  progress: Progress;
}

function Content({ step, state, progress }: ContentProps) {
  switch (step) {
    case "upstream":
      return state === "done" ? <Connected name={progress.upstream ?? ""} /> : (
        <Todo text="An upstream is a provider, or a server of your own, that answers the calls. The form tests it before it is stored.">
          <ButtonLink to="/upstreams" search={{ act: "new" }}>Add an upstream</ButtonLink>
        </Todo>
      );
    case "model":
      return state === "done" ? <Text size="sm" py="xs">{progress.served} is served.</Text> : (
        <Todo text="A model is the name that applications ask for, and the upstream that serves it.">
          {state === "next" && <Offers upstream={progress.upstream ?? ""} names={progress.offered} />}
        </Todo>
      );
    case "project":
      return state === "done" ? <Text size="sm" py="xs">There is a project.</Text> : (
        <Todo text="A project owns tokens and what they use: a team, or an application.">
          {state === "next" && <ButtonLink to="/projects" search={{ act: "new" }}>Make a project</ButtonLink>}
        </Todo>
      );
    case "token":
      return state === "done" ? <Text size="sm" py="xs">There is a token.</Text> : (
        <Todo text="A token is what an application shows to the gateway. Its secret is shown once.">
          {state === "next" && <ButtonLink to="/tokens" search={{ act: "new" }}>Make a token</ButtonLink>}
        </Todo>
      );
    case "call":
      return state === "next" && <FirstCall progress={progress} />;
  }
}

function Todo({ text, children }: { text: string; children: ReactNode }) {
  return <Stack gap="xs" align="start" py="xs"><Text size="sm">{text}</Text>{children}</Stack>;
}

function Connected({ name }: { name: string }) {
  return (
    <Group gap="xs" py="xs">
      <Text size="sm">{name} is connected.</Text>
      <ButtonLink size="compact-sm" variant="default" to="/upstreams/$name" params={{ name }} search={{ act: "test" }}>Test it</ButtonLink>
    </Group>
  );
}

/** What the upstream has, each of which a click names in the form. */
function Offers({ upstream, names }: { upstream: string; names: readonly string[] }) {
  if (names.length === 0) return <ButtonLink to="/models" search={{ act: "new" }}>Name a model</ButtonLink>;
  return (
    <>
      <Text size="sm">Choose one that {upstream} has:</Text>
      <Group gap="xs">
        {names.map((at) => (
          <Button key={at} size="compact-sm" renderRoot={(props) => <Link {...props} to="/models" search={{ act: "new", upstream, at }} />}>{at}</Button>
        ))}
        <ButtonLink size="compact-sm" variant="default" to="/models" search={{ act: "new" }}>Name another</ButtonLink>
      </Group>
    </>
  );
}

function FirstCall({ progress: { sample, failed, served } }: { progress: Progress }) {
  const baseUrl = `${useDataUrl()}/v1`;
  return (
    <Stack gap="xs" py="xs">
      <Text size="sm">Call the gateway with the token, in place of the provider. With its secret in OPENAI_API_KEY, this is a first call:</Text>
      {sample.isKnown && sample.model === undefined ? (
        <Text size="sm">Call it by a name that the token allows and {served} serves.</Text>
      ) : (
        <CallSnippets baseUrl={baseUrl} sample={sample} />
      )}
      <Group><ButtonLink size="xs" variant="default" to="/playground">Or use the playground</ButtonLink></Group>
      {failed && (
        <Group gap="xs" role="status">
          <Text size="sm">The latest call failed:</Text>
          <CallModels event={failed} />
          <CallStatus event={failed} />
          <AnchorLink to="/calls" search={{ call: failed.id }}>See why</AnchorLink>
        </Group>
      )}
      <Group gap="xs" wrap="nowrap" role="status"><Loader size="xs" aria-hidden /><Text size="sm">Waiting for the first call. It shows here a moment after it ends.</Text></Group>
    </Stack>
  );
}
