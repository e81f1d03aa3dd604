import { useQuery } from "@connectrpc/connect-query";
import { Button, Skeleton, Stack } from "@mantine/core";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { EntityKind } from "@tollkeeper/client/v1/configuration_service";
import { GroupService } from "@tollkeeper/client/v1/group_service";
import { Time } from "../../../shared/format/Time";
import { LaterHistory } from "../../../shared/history/LaterHistory";
import { strategyOf } from "../../../shared/traffic/policy";
import { PolicyFacts } from "../../../shared/traffic/PolicyFacts";
import { TargetsTable } from "../../../shared/traffic/TargetsTable";
import { isNoSuch } from "../../../shared/api/errors";
import { DangerButton } from "../../../shared/ui/DangerButton";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { NoSuch, ToList } from "../../../shared/ui/NoSuch";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { RowMenu } from "../../../shared/ui/RowMenu";
import { Section } from "../../../shared/ui/Section";
import { WhereUsed } from "../../../shared/ui/WhereUsed";
import { type Change, changed } from "../../../shared/url/search";
import { Overlays } from "../parts/Overlays";

export function GroupPage() {
  const { name } = useParams({ from: "/groups/$name" });
  const search = useSearch({ from: "/groups/$name" });
  const navigate = useNavigate({ from: "/groups/$name" });
  const leave = useNavigate();
  const set = (change: Change<typeof search>) => void navigate({ search: (old) => changed(old, change) });
  const { data, error, refetch } = useQuery(GroupService.method.getGroup, { name });
  const group = data?.group;
  const isGone = error !== null && isNoSuch(error) && (group === undefined || search.act === undefined);
  const tests = [...new Set(group?.members.map((it) => it.upstream))].map((upstream) => ({
    label: `Test ${upstream}`,
    onClick: () => void leave({ to: "/upstreams/$name", params: { name: upstream }, search: { act: "test" } }),
  }));
  if (isGone) return <NoSuch kind="group" id={name} />;
  return (
    <Stack>
      <ToList kind="group" />
      <PageHeader
        title={name}
        description={group && <>Group, changed <Time time={group.updatedAt} ago /></>}
        actions={
          group && (
            <>
              <RowMenu name={name} actions={tests} />
              <DangerButton onClick={() => set({ act: "delete" })}>Delete</DangerButton>
              <Button onClick={() => set({ act: "edit" })}>Edit</Button>
            </>
          )
        }
      />
      {error && <ErrorState title="The group can't be read" error={error} retry={() => void refetch()} />}
      {!group && !error && <Skeleton h={240} />}
      {group && (
        <>
          <Section title="Members">
            <TargetsTable label="Members and their health" targets={group.members} weighs={strategyOf(group.policy?.strategy).weighs} />
          </Section>
          <Section title="Policy"><PolicyFacts policy={group.policy} /></Section>
          <Section title="Where it is used"><WhereUsed kind={EntityKind.GROUP} name={name} /></Section>
          <LaterHistory key={group.etag} kind="group" id={name} />
        </>
      )}
      <Overlays act={search.act} name={name} onClose={() => set({ act: undefined })} onDeleted={() => void navigate({ to: "/groups" })} />
    </Stack>
  );
}
