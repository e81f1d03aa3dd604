import { useQuery } from "@connectrpc/connect-query";
import { Button, Skeleton, Stack, Text } from "@mantine/core";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { LimitScope } from "@tollkeeper/client/v1/limit";
import { EntityKind } from "@tollkeeper/client/v1/configuration_service";
import { ModelService } from "@tollkeeper/client/v1/model_service";
import { lazy, Suspense } from "react";
import { standingsHeight } from "../../../shared/limits/standingsHeight";
import { Time } from "../../../shared/format/Time";
import { LaterHistory } from "../../../shared/history/LaterHistory";
import { strategyOf } from "../../../shared/traffic/policy";
import { PolicyFacts } from "../../../shared/traffic/PolicyFacts";
import { TargetsTable } from "../../../shared/traffic/TargetsTable";
import { CopyText } from "../../../shared/ui/CopyText";
import { isNoSuch } from "../../../shared/api/errors";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { Facts } from "../../../shared/ui/Facts";
import { NameLink } from "../../../shared/ui/NameLink";
import { NoSuch, ToList } from "../../../shared/ui/NoSuch";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { Section } from "../../../shared/ui/Section";
import { StateBadge } from "../../../shared/ui/StateBadge";
import { WhereUsed } from "../../../shared/ui/WhereUsed";
import { type Change, changed } from "../../../shared/url/search";
import { RecentCalls } from "../../../shared/usage/RecentCalls";
import { capabilityName } from "../capabilities";
import { ModelMenu } from "../parts/ModelMenu";
import { Overlays } from "../parts/Overlays";

const Standings = lazy(() => import("../../../shared/limits/Standings").then((it) => ({ default: it.Standings })));
const FallbackChain = lazy(() => import("../parts/FallbackChain").then((it) => ({ default: it.FallbackChain })));
const PriceFacts = lazy(() => import("../parts/PriceFacts").then((it) => ({ default: it.PriceFacts })));
const CHAIN_HEIGHT = 120;
const PRICE_HEIGHT = 40;

export function ModelPage() {
  const { name } = useParams({ from: "/models/$name" });
  const search = useSearch({ from: "/models/$name" });
  const navigate = useNavigate({ from: "/models/$name" });
  const set = (change: Change<typeof search>) => void navigate({ search: (old) => changed(old, change) });
  const { data, error, refetch } = useQuery(ModelService.method.getModel, { name });
  const model = data?.model;
  const isGone = error !== null && isNoSuch(error) && (model === undefined || search.act === undefined);
  if (isGone) return <NoSuch kind="model" id={name} />;
  return (
    <Stack>
      <ToList kind="model" />
      <PageHeader
        title={name}
        description={model && <StateBadge tone={model.isActive ? "good" : "neutral"}>{model.isActive ? "In traffic" : "Out of traffic"}</StateBadge>}
        actions={
          model && (
            <>
              <ModelMenu model={model} onAct={(act) => set({ act })} />
              <Button onClick={() => set({ act: "edit" })}>Edit</Button>
            </>
          )
        }
      />
      {error && <ErrorState title="The model can't be read" error={error} retry={() => void refetch()} />}
      {!model && !error && <Skeleton h={240} />}
      {model && (
        <>
          <Section title="Names">
            <Facts
              facts={[
                { name: "Name", value: <CopyText value={model.name} label="Copy the name" /> },
                { name: "Aliases", value: model.aliases.join(", ") || "none" },
                { name: "Endpoints", value: model.capabilities.map(capabilityName).join(", ") || "all" },
                { name: "Added", value: <Time time={model.createdAt} /> },
                { name: "Changed", value: <Time time={model.updatedAt} /> },
              ]}
            />
          </Section>
          {model.group ? (
            <Section title="Served by"><Text size="sm">The group <NameLink kind="group" name={model.group} strong inText />, by its policy.</Text></Section>
          ) : (
            <>
              <Section title="Deployments">
                <TargetsTable label="Deployments and their health" targets={model.deployments} weighs={strategyOf(model.policy?.strategy).weighs} model={model.name} />
              </Section>
              <Section title="Policy"><PolicyFacts policy={model.policy} /></Section>
            </>
          )}
          <Section title="What is tried, in order"><Suspense fallback={<Skeleton h={CHAIN_HEIGHT} />}><FallbackChain model={model} /></Suspense></Section>
          <Section title="Price"><Suspense fallback={<Skeleton h={PRICE_HEIGHT} />}><PriceFacts model={model} /></Suspense></Section>
          <Section title="Limits"><Suspense fallback={<Skeleton h={standingsHeight(model.limits)} />}><Standings limits={model.limits} of="Limits of all its requests together" scope={LimitScope.MODEL} scopeId={name} /></Suspense></Section>
          <RecentCalls of={{ model: name }} />
          <Section title="Where it is used"><WhereUsed kind={EntityKind.MODEL} name={name} /></Section>
          <LaterHistory key={model.etag} kind="model" id={name} />
        </>
      )}
      <Overlays act={search.act} name={name} onClose={() => set({ act: undefined })} onDeleted={() => void navigate({ to: "/models" })} />
    </Stack>
  );
}
