import { useQuery } from "@connectrpc/connect-query";
import { Alert, Button, Group, Skeleton, Stack, Text } from "@mantine/core";
import { IconKeyOff, IconPencil, IconPlus } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { LimitScope } from "@tollkeeper/client/v1/limit";
import { type Project, ProjectService } from "@tollkeeper/client/v1/project_service";
import { lazy, Suspense, useState } from "react";
import { standingsHeight } from "../../../shared/limits/standingsHeight";
import { isNoSuch } from "../../../shared/api/errors";
import { Time } from "../../../shared/format/Time";
import { CopyText } from "../../../shared/ui/CopyText";
import { LaterHistory } from "../../../shared/history/LaterHistory";
import { DangerButton } from "../../../shared/ui/DangerButton";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { Facts } from "../../../shared/ui/Facts";
import { Labels } from "../../../shared/ui/Labels";
import { ButtonLink } from "../../../shared/ui/links";
import { NoSuch, ToList } from "../../../shared/ui/NoSuch";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { Section } from "../../../shared/ui/Section";
import { StateBadge } from "../../../shared/ui/StateBadge";
import { RecentCalls } from "../../../shared/usage/RecentCalls";
import { UsageGlance } from "../../../shared/usage/UsageGlance";
import { changed } from "../../../shared/url/search";
import { ProjectTokens } from "../parts/ProjectTokens";
import { RevokeAll } from "../parts/RevokeAll";
import { useActivation } from "../useActivation";

const Standings = lazy(() => import("../../../shared/limits/Standings").then((it) => ({ default: it.Standings })));
const ProjectDrawer = lazy(() => import("../parts/ProjectDrawer").then((it) => ({ default: it.ProjectDrawer })));
const route = getRouteApi("/projects/$id");
const REFRESH_MS = 15_000;

export function ProjectPage() {
  const { id } = route.useParams();
  const { data, error, refetch } = useQuery(ProjectService.method.getProject, { id }, { placeholderData: keepPreviousData, refetchInterval: REFRESH_MS });
  const { act } = route.useSearch();
  const project = data?.project;
  if (error && isNoSuch(error) && (project === undefined || act !== "edit")) return <NoSuch kind="project" id={id} />;
  if (project === undefined && !error) return <Stack aria-busy><Skeleton h={40} w={280} /><Skeleton h={120} /><Skeleton h={240} /></Stack>;
  return (
    <Stack>
      <ToList kind="project" />
      {project === undefined && <PageHeader title="Project" />}
      {error && <ErrorState title="The project can't be read" error={error} retry={() => void refetch()} />}
      {project && <Shown project={project} />}
    </Stack>
  );
}

function Shown({ project }: { project: Project }) {
  const { range = "24h", act } = route.useSearch();
  const navigate = route.useNavigate();
  const activation = useActivation();
  const [revoking, setRevoking] = useState(false);
  const editing = (open: boolean) => void navigate({ search: (old) => changed(old, { act: open ? "edit" : undefined }), replace: !open });
  return (
    <Stack>
      <PageHeader
        title={project.name}
        description={<Group gap="xs"><StateBadge tone={project.isActive ? "good" : "neutral"}>{project.isActive ? "Active" : "Inactive"}</StateBadge>{project.description}</Group>}
        actions={
          <>
            <DangerButton icon={<IconKeyOff size={16} />} onClick={() => setRevoking(true)}>Revoke all tokens…</DangerButton>
            <Button variant="default" loading={activation.busy} onClick={() => activation.set(project, !project.isActive)}>{project.isActive ? "Deactivate" : "Activate"}</Button>
            <Button variant="default" leftSection={<IconPencil size={16} />} onClick={() => editing(true)}>Edit</Button>
            {project.isActive && (
              <ButtonLink to="/tokens" search={{ project: project.id, act: "new" }} leftSection={<IconPlus size={16} />} data-page-new>New token</ButtonLink>
            )}
          </>
        }
      />
      {!project.isActive && (
        <Alert color="yellow" title="This project is inactive">
          <Stack gap="xs" align="start">
            <Text size="sm">Requests with its tokens are refused with project_inactive, and it can't have new tokens. Activate it to let them pass again.</Text>
            <Button size="xs" variant="default" onClick={() => activation.set(project, true)}>Activate</Button>
          </Stack>
        </Alert>
      )}
      <Section title="Facts">
        <Facts
          facts={[
            { name: "Id", value: <CopyText value={project.id} label="Copy the id" /> },
            { name: "OpenAI API key", value: project.apiKey || "none: those of the upstreams are used" },
            { name: "Labels", value: <Labels labels={project.labels} /> },
            { name: "Last used", value: <Time time={project.lastUsedAt} ago /> },
            { name: "Created", value: <Time time={project.createdAt} /> },
            { name: "Changed", value: <Time time={project.updatedAt} /> },
            ...(project.deactivatedAt ? [{ name: "Deactivated", value: <Time time={project.deactivatedAt} /> }] : []),
          ]}
        />
      </Section>
      <Section title="Limits"><Suspense fallback={<Skeleton h={standingsHeight(project.limits)} />}><Standings limits={project.limits} of="Limits of all its tokens together" scope={LimitScope.PROJECT} scopeId={project.id} /></Suspense></Section>
      <ProjectTokens project={project} />
      <UsageGlance of={{ project: project.id }} range={range} onRange={(it) => void navigate({ search: (old) => changed(old, { range: it === "24h" ? undefined : it }), replace: true })} />
      <RecentCalls of={{ project: project.id }} />
      <LaterHistory key={project.etag} kind="project" id={project.id} />
      <Suspense>{act === "edit" && <ProjectDrawer id={project.id} onDone={() => editing(false)} onClose={() => editing(false)} />}</Suspense>
      <RevokeAll project={revoking ? project : undefined} onClose={() => setRevoking(false)} />
    </Stack>
  );
}
