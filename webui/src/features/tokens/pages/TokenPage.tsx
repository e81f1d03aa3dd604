import { useQuery } from "@connectrpc/connect-query";
import { Button, Group, Skeleton, Stack } from "@mantine/core";
import { IconKeyOff, IconMessage, IconPencil, IconRotate } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { ProjectService } from "@tollkeeper/client/v1/project_service";
import { type Token, TokenService } from "@tollkeeper/client/v1/token_service";
import { lazy, Suspense, useState } from "react";
import { isNoSuch } from "../../../shared/api/errors";
import { Time } from "../../../shared/format/Time";
import { CopyText } from "../../../shared/ui/CopyText";
import { DangerButton } from "../../../shared/ui/DangerButton";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { Facts } from "../../../shared/ui/Facts";
import { Labels } from "../../../shared/ui/Labels";
import { AnchorLink, ButtonLink } from "../../../shared/ui/links";
import { NoSuch, ToList } from "../../../shared/ui/NoSuch";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { Section } from "../../../shared/ui/Section";
import { TokenStateBadge } from "../../../shared/ui/TokenStateBadge";
import { RecentCalls } from "../../../shared/usage/RecentCalls";
import { UsageGlance } from "../../../shared/usage/UsageGlance";
import { changed } from "../../../shared/url/search";
import { Limits } from "../parts/Limits";
import { Revoke, type Revocable } from "../parts/Revoke";
import { Rotate } from "../parts/Rotate";
import type { Minted } from "../parts/TokenForm";
import { Why } from "../parts/Why";
import { titleOf, useActivation } from "../useTokenActions";

const TokenDrawer = lazy(() => import("../parts/TokenDrawer").then((it) => ({ default: it.TokenDrawer })));
const ShowSecret = lazy(() => import("../parts/ShowSecret").then((it) => ({ default: it.ShowSecret })));
const UseIt = lazy(() => import("../parts/UseIt").then((it) => ({ default: it.UseIt })));
const route = getRouteApi("/tokens/$id");
const REFRESH_MS = 10_000;

export function TokenPage() {
  const { id } = route.useParams();
  const { data, error, refetch } = useQuery(TokenService.method.getToken, { id }, { placeholderData: keepPreviousData, refetchInterval: REFRESH_MS });
  const { act } = route.useSearch();
  const token = data?.token;
  if (error && isNoSuch(error) && (token === undefined || act !== "edit")) return <NoSuch kind="token" id={id} />;
  if (token === undefined && !error) return <Stack aria-busy><Skeleton h={40} w={280} /><Skeleton h={120} /><Skeleton h={240} /></Stack>;
  return (
    <Stack>
      <ToList kind="token" />
      {token === undefined && <PageHeader title="Token" />}
      {error && <ErrorState title="The token can't be read" error={error} retry={() => void refetch()} />}
      {token && <Shown token={token} />}
    </Stack>
  );
}

function Shown({ token }: { token: Token }) {
  const { range = "24h", act } = route.useSearch();
  const navigate = route.useNavigate();
  const { data } = useQuery(ProjectService.method.getProject, { id: token.projectId });
  const activation = useActivation();
  const [rotating, setRotating] = useState(false);
  const [revoking, setRevoking] = useState<readonly Revocable[]>([]);
  const [minted, setMinted] = useState<Minted>();
  const editing = (open: boolean) => void navigate({ search: (old) => changed(old, { act: open ? "edit" : undefined }), replace: !open });
  return (
    <Stack>
      <PageHeader
        title={titleOf(token)}
        description={<Group gap="xs"><TokenStateBadge state={token.state} />{token.description}</Group>}
        actions={
          <>
            {token.isActive && <DangerButton icon={<IconKeyOff size={16} />} onClick={() => setRevoking([token])}>Revoke…</DangerButton>}
            <Button variant="default" loading={activation.busy} onClick={() => activation.set(token, !token.isActive)}>{token.isActive ? "Deactivate" : "Activate"}</Button>
            <Button variant="default" leftSection={<IconRotate size={16} />} onClick={() => setRotating(true)}>Rotate…</Button>
            <ButtonLink variant="default" leftSection={<IconMessage size={16} />} to="/playground" search={{ token: token.id }}>Try it</ButtonLink>
            <Button leftSection={<IconPencil size={16} />} onClick={() => editing(true)}>Edit</Button>
          </>
        }
      />
      <Why token={token} project={data?.project} onEdit={() => editing(true)} onActivate={() => activation.set(token, true)} />
      <Section title="Facts">
        <Facts
          facts={[
            { name: "Secret", value: token.token },
            { name: "Project", value: <AnchorLink to="/projects/$id" params={{ id: token.projectId }}>{token.projectName || token.projectId}</AnchorLink> },
            { name: "Id", value: <CopyText value={token.id} label="Copy the id" /> },
            { name: "Labels", value: <Labels labels={token.labels} /> },
            { name: "Last used", value: <Time time={token.lastUsedAt} ago /> },
            { name: "Created", value: <Time time={token.createdAt} /> },
            { name: "Changed", value: <Time time={token.updatedAt} /> },
          ]}
        />
      </Section>
      <Limits token={token} />
      <UsageGlance of={{ token: token.id }} range={range} onRange={(it) => void navigate({ search: (old) => changed(old, { range: it === "24h" ? undefined : it }), replace: true })} />
      <RecentCalls of={{ token: token.id }} />
      <Suspense><UseIt token={token} /></Suspense>
      <Suspense>
        {act === "edit" && <TokenDrawer id={token.id} onDone={() => editing(false)} onClose={() => editing(false)} />}
        {minted && <ShowSecret minted={minted} onClose={() => setMinted(undefined)} />}
      </Suspense>
      <Rotate token={rotating ? token : undefined} onRotated={setMinted} onClose={() => setRotating(false)} />
      <Revoke tokens={revoking} onLeft={setRevoking} onClose={() => setRevoking([])} />
    </Stack>
  );
}
