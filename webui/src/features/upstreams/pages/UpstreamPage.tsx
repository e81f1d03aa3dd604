import { useQuery } from "@connectrpc/connect-query";
import { Badge, Button, Group, Skeleton, Stack } from "@mantine/core";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { EntityKind } from "@tollkeeper/client/v1/configuration_service";
import { Provider, UpstreamService } from "@tollkeeper/client/v1/upstream_service";
import { lazy, Suspense } from "react";
import { LaterHistory } from "../../../shared/history/LaterHistory";
import { useUpstreamStatus } from "../../../shared/status/useUpstreamStatus";
import { isNoSuch } from "../../../shared/api/errors";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { NoSuch, ToList } from "../../../shared/ui/NoSuch";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { Section } from "../../../shared/ui/Section";
import { WhereUsed } from "../../../shared/ui/WhereUsed";
import { RecentCalls } from "../../../shared/usage/RecentCalls";
import { type Change, changed } from "../../../shared/url/search";
import { HealthFacts } from "../parts/HealthFacts";
import { Overlays } from "../parts/Overlays";
import { SettingsFacts } from "../parts/SettingsFacts";
import { UpstreamMenu } from "../parts/UpstreamMenu";
import { providerName } from "../providers";

const ListedModels = lazy(() => import("../parts/ListedModels").then((it) => ({ default: it.ListedModels })));

export function UpstreamPage() {
  const { name } = useParams({ from: "/upstreams/$name" });
  const search = useSearch({ from: "/upstreams/$name" });
  const navigate = useNavigate({ from: "/upstreams/$name" });
  const set = (change: Change<typeof search>, replace = false) => void navigate({ search: (old) => changed(old, change), replace });
  const { data, error, refetch } = useQuery(UpstreamService.method.getUpstream, { name });
  const statuses = useUpstreamStatus();
  const upstream = data?.upstream;
  const isGone = error !== null && isNoSuch(error) && (upstream === undefined || search.act === undefined);
  const status = statuses.all?.get(name);
  const hasList = upstream?.isActive && upstream.provider !== Provider.AZURE && upstream.fullUrl === "";
  if (isGone) return <NoSuch kind="upstream" id={name} />;
  return (
    <Stack>
      <ToList kind="upstream" />
      <PageHeader
        title={name}
        description={
          upstream && (
            <Group gap="xs">
              {providerName(upstream.provider)} upstream
              {upstream.isDefault && <Badge variant="default" tt="none">default</Badge>}
            </Group>
          )
        }
        actions={
          upstream && (
            <>
              <UpstreamMenu upstream={upstream} status={status} onAct={(act) => set({ act })} />
              <Button variant="default" onClick={() => set({ act: "test" })}>Test</Button>
              <Button onClick={() => set({ act: "edit" })}>Edit</Button>
            </>
          )
        }
      />
      {error && <ErrorState title="The upstream can't be read" error={error} retry={() => void refetch()} />}
      {!upstream && !error && <Skeleton h={240} />}
      {upstream && (
        <>
          <Section title="Health">
            {Boolean(statuses.error) && <ErrorState title="Its health can't be read" error={statuses.error} />}
            {(!statuses.error || statuses.all) && <HealthFacts isActive={upstream.isActive} status={status} />}
          </Section>
          <Section title="Settings"><SettingsFacts upstream={upstream} /></Section>
          <RecentCalls of={{ upstream: name }} />
          <Section title="Where it is used"><WhereUsed kind={EntityKind.UPSTREAM} name={name} /></Section>
          {hasList && (
            <Section title="Models that it lists">
              <Suspense fallback={<Skeleton h={120} />}><ListedModels key={name} upstream={name} search={search.model} onSearch={(model) => set({ model }, true)} /></Suspense>
            </Section>
          )}
          <LaterHistory key={upstream.etag} kind="upstream" id={name} />
        </>
      )}
      <Overlays act={search.act} name={name} onClose={() => set({ act: undefined })} onDeleted={() => void navigate({ to: "/upstreams" })} />
    </Stack>
  );
}
