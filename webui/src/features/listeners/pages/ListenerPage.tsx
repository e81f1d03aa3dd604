import { useQuery } from "@connectrpc/connect-query";
import { Button, Skeleton, Stack, Text } from "@mantine/core";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { LimitScope } from "@tollkeeper/client/v1/limit";
import { type Listener, ListenerService } from "@tollkeeper/client/v1/listener_service";
import { standingsHeight } from "../../../shared/limits/standingsHeight";
import { isNoSuch, isNotFound } from "../../../shared/api/errors";
import { writeDuration } from "../../../shared/format/durations";
import { lazy, Suspense } from "react";
import { formatCount } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { LaterHistory } from "../../../shared/history/LaterHistory";
import { PortBadge } from "../../../shared/status/PortBadge";
import { useListenerStatus } from "../../../shared/status/useListenerStatus";
import { DangerButton } from "../../../shared/ui/DangerButton";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { type Fact, Facts } from "../../../shared/ui/Facts";
import { ButtonLink } from "../../../shared/ui/links";
import { NoSuch, ToList } from "../../../shared/ui/NoSuch";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { Section } from "../../../shared/ui/Section";
import { type Change, changed } from "../../../shared/url/search";
import { Leads } from "../parts/Leads";
import { NotOpen } from "../parts/NotOpen";
import { Overlays } from "../parts/Overlays";
import { RulesTable } from "../parts/RulesTable";
import { ownPort } from "../ports";
import { useListenerCalls } from "../queries";

const Standings = lazy(() => import("../../../shared/limits/Standings").then((it) => ({ default: it.Standings })));

export function ListenerPage() {
  const { name } = useParams({ from: "/listeners/$name" });
  const search = useSearch({ from: "/listeners/$name" });
  const navigate = useNavigate({ from: "/listeners/$name" });
  const set = (change: Change<typeof search>) => void navigate({ search: (old) => changed(old, change) });
  const { data, error, refetch } = useQuery(ListenerService.method.getListener, { name });
  const statuses = useListenerStatus();
  const { toggle } = useListenerCalls();
  const listener = data?.listener;
  const status = statuses.all?.get(name);
  // One that is deleted leaves what was read of it.
  const own = listener === undefined && isNotFound(error) ? ownPort(name) : undefined;
  const isGone = error !== null && isNoSuch(error) && own === undefined && (listener === undefined || search.act === undefined);
  const isActive = listener?.isActive ?? own !== undefined;
  const port: Fact[] = [
    { name: "State", value: <PortBadge isActive={isActive} status={status} brief /> },
    { name: "Address", value: <Text span size="sm" ff="monospace">{listener?.address ?? status?.address}</Text> },
    { name: "TLS", value: (listener ? listener.tls : status?.tls) ? "yes, with the certificate of the process" : "no" },
    { name: "Connections", value: status ? formatCount(status.connections) : "–" },
    { name: "Process", value: status ? <Text span size="sm" ff="monospace">{status.process}</Text> : "–" },
    ...(own ? [{ name: "Setting", value: <Text span size="sm" ff="monospace">{own.setting}</Text> }] : []),
  ];
  if (isGone) return <NoSuch kind="listener" id={name} />;
  return (
    <Stack>
      <ToList kind="listener" />
      <PageHeader
        title={name}
        description={listener ? <>Listener, changed <Time time={listener.updatedAt} ago /></> : own && `This is ${own.title}. ${own.purpose}`}
        actions={
          listener ? (
            <>
              <DangerButton onClick={() => set({ act: "delete" })}>Delete</DangerButton>
              <Button variant="default" onClick={() => void toggle(listener)}>{listener.isActive ? "Deactivate" : "Activate"}</Button>
              {listener.isActive && <ButtonLink variant="default" to="/tester" search={{ listener: name }}>Test a route</ButtonLink>}
              <Button onClick={() => set({ act: "edit" })}>Edit</Button>
            </>
          ) : (
            own?.name === "main" && <ButtonLink variant="default" to="/tester">Test a route</ButtonLink>
          )
        }
      />
      {error && !own && <ErrorState title="The listener can't be read" error={error} retry={() => void refetch()} />}
      {statuses.error !== undefined && statuses.error !== null && <ErrorState title="The state of the port can't be read" error={statuses.error} />}
      {!listener && !error && <Skeleton h={240} />}
      {isActive && status && !status.isOpen && <NotOpen status={status} own={own !== undefined} />}
      {(listener || own) && <Section title="Port"><Facts facts={port} /></Section>}
      {listener && <Routing listener={listener} />}
      {listener && <LaterHistory key={listener.etag} kind="listener" id={name} />}
      <Overlays act={search.act} name={name} onClose={() => set({ act: undefined })} onDeleted={() => void navigate({ to: "/listeners" })} />
    </Stack>
  );
}

function Routing({ listener }: { listener: Listener }) {
  const { ipLimit, headTimeout } = listener;
  return (
    <>
      <Section title="Rules">
        <Text size="sm" c="dimmed">
          In the order in which the gateway looks at them: the first that matches applies. What matches none goes where its model leads, and what names no model to the default group.
        </Text>
        <RulesTable rules={listener.rules} />
      </Section>
      <Section title="Leads to"><Leads listener={listener} /></Section>
      <Section title="Limits">
        <Facts
          facts={[
            { name: "Requests of an IP address", value: ipLimit ? `${formatCount(ipLimit.perSecond ?? 100)} a second, ${formatCount(ipLimit.burst ?? 200)} at once` : "no limit" },
            { name: "Head timeout", value: headTimeout ? writeDuration(headTimeout) : "10 s" },
          ]}
        />
        <Suspense fallback={<Skeleton h={standingsHeight(listener.limits)} />}><Standings limits={listener.limits} of="Limits of all requests together that come to it" scope={LimitScope.LISTENER} scopeId={listener.name} /></Suspense>
      </Section>
    </>
  );
}
