import { useQuery } from "@connectrpc/connect-query";
import type { NavigateOptions } from "@tanstack/react-router";
import { keepPreviousData } from "@tanstack/react-query";
import { GroupService } from "@tollkeeper/client/v1/group_service";
import { ListenerService } from "@tollkeeper/client/v1/listener_service";
import { ModelService } from "@tollkeeper/client/v1/model_service";
import { ProjectService } from "@tollkeeper/client/v1/project_service";
import { TokenService } from "@tollkeeper/client/v1/token_service";
import { UpstreamService } from "@tollkeeper/client/v1/upstream_service";

const MOST = 5;
const LEAST_LETTERS = 2;

export interface Found {
  id: string;
  label: string;
  note?: string;
  open: NavigateOptions;
}

/** The first few things of each kind that have `search` in them; none before it has two letters. */
export function useFound(search: string): { kind: string; things: Found[] }[] {
  const asked = { search, pageSize: MOST };
  const options = { enabled: search.length >= LEAST_LETTERS, placeholderData: keepPreviousData };
  const projects = useQuery(ProjectService.method.listProjects, asked, options);
  const tokens = useQuery(TokenService.method.listTokens, asked, options);
  const upstreams = useQuery(UpstreamService.method.listUpstreams, asked, options);
  const models = useQuery(ModelService.method.listModels, asked, options);
  const groups = useQuery(GroupService.method.listGroups, asked, options);
  const listeners = useQuery(ListenerService.method.listListeners, asked, options);
  if (search.length < LEAST_LETTERS) return [];
  return [
    {
      kind: "Projects",
      things: (projects.data?.projects ?? []).map(({ id, name }) => ({
        id,
        label: name,
        note: id,
        open: { to: "/projects/$id", params: { id } },
      })),
    },
    {
      kind: "Tokens",
      things: (tokens.data?.tokens ?? []).map(({ id, name, token, projectName }) => ({
        id,
        label: name || token,
        note: projectName,
        open: { to: "/tokens/$id", params: { id } },
      })),
    },
    { kind: "Upstreams", things: named(upstreams.data?.upstreams, "/upstreams/$name") },
    { kind: "Models", things: named(models.data?.models, "/models/$name") },
    { kind: "Groups", things: named(groups.data?.groups, "/groups/$name") },
    { kind: "Listeners", things: named(listeners.data?.listeners, "/listeners/$name") },
  ];
}

type NamedPage = "/upstreams/$name" | "/models/$name" | "/groups/$name" | "/listeners/$name";

const named = (all: readonly { name: string }[] | undefined, to: NamedPage): Found[] =>
  (all ?? []).map(({ name }) => ({ id: name, label: name, open: { to, params: { name } } }));
