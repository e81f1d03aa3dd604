import { useQuery } from "@connectrpc/connect-query";
import { ModelService } from "@tollkeeper/client/v1/model_service";
import { ProjectService } from "@tollkeeper/client/v1/project_service";
import { TokenService } from "@tollkeeper/client/v1/token_service";
import { type Upstream, UpstreamService } from "@tollkeeper/client/v1/upstream_service";
import { type UsageEvent, UsageService } from "@tollkeeper/client/v1/usage_service";
import { useState } from "react";
import { isChat, sampleOf, servedNames } from "../../shared/pickers/sampleModel";
import { LOOKED_AT, type Sample } from "../../shared/pickers/useSampleModel";
import { MODEL_ENDPOINTS } from "../../shared/usage/words";
import { nextStep, type Step } from "./steps";

const REFRESH_MS = 2_000;
const LISTED_MS = 300_000;
const MOST_OFFERED = 6;

/** Calls of models. That of a list of models, as the playground makes, is no first call. */
const CALLS = { endpoints: [...MODEL_ENDPOINTS] };
const ANSWERED = { ...CALLS, statuses: ["2xx"] };

/** How far a new gateway is. */
export interface Progress {
  /** Whether the first steps stand on the page: until a model has answered a call. Undefined until that is known. */
  shown: boolean | undefined;
  /** The step that is next; undefined until it is known. */
  step: Step | undefined;
  upstream: string | undefined;
  /** A name or a pattern that is served. */
  served: string | undefined;
  /** The model of the first call. */
  sample: Sample;
  /** Names that the upstream has for models. */
  offered: readonly string[];
  /** The latest call, if it failed. */
  failed: UsageEvent | undefined;
  /** The first call that was answered, while it is new. */
  answered: UsageEvent | undefined;
  error: Error | null;
}

/** Ask for one of each thing. A gateway in which a model has answered a call is asked for no more. */
export function useFirstRun(): Progress {
  const calls = useQuery(
    UsageService.method.listUsageEvents,
    // Of two, the first is not the only one any more.
    { ...ANSWERED, pageSize: 2 },
    { refetchInterval: ({ state }) => (state.data?.events.length === 0 ? REFRESH_MS : false) },
  );
  const answered = calls.data?.events;
  const isNew = answered?.length === 0;
  const [waited, setWaited] = useState(false);
  if (isNew && !waited) setWaited(true);
  const options = { enabled: isNew, refetchInterval: isNew ? REFRESH_MS : (false as const) };
  const latest = useQuery(UsageService.method.listUsageEvents, { ...CALLS, pageSize: 1 }, options);
  const upstreams = useQuery(UpstreamService.method.listUpstreams, { pageSize: 1, isActive: true }, options);
  const models = useQuery(ModelService.method.listModels, LOOKED_AT, options);
  const projects = useQuery(ProjectService.method.listProjects, { pageSize: 1, isActive: true }, options);
  const tokens = useQuery(TokenService.method.listTokens, { pageSize: 1, activeOnly: true }, options);
  const upstream = upstreams.data?.upstreams[0];
  const known = models.data?.models;
  const served = known && servedNames(known);
  const listed = useListed(upstream, isNew && known !== undefined && sampleOf(known, []) === undefined);
  const allowed = tokens.data?.tokens[0]?.allowedModels ?? [];
  const has = (things: readonly unknown[] | undefined) => things && things.length > 0;
  return {
    shown: answered && isNew,
    step: nextStep({ upstream: has(upstreams.data?.upstreams), model: has(served), project: has(projects.data?.projects), token: has(tokens.data?.tokens) }),
    upstream: upstream?.name,
    served: served?.[0],
    sample: { model: sampleOf(known ?? [], allowed, listed.names), isKnown: known !== undefined && !listed.isLoading },
    offered: listed.names.slice(0, MOST_OFFERED),
    failed: latest.data?.events.find((it) => it.status >= 400),
    answered: waited || answered?.length === 1 ? answered?.at(-1) : undefined,
    error: calls.error ?? upstreams.error ?? models.error ?? projects.error ?? tokens.error,
  };
}

/** The models to chat with that an upstream lists itself. It is asked once: nobody else wants to be asked each two seconds. */
function useListed(upstream: Upstream | undefined, isWanted: boolean): { names: readonly string[]; isLoading: boolean } {
  const { data, isLoading } = useQuery(
    UpstreamService.method.listUpstreamModels,
    { name: upstream?.name ?? "" },
    { enabled: isWanted && upstream !== undefined, retry: false, staleTime: LISTED_MS },
  );
  return { names: data?.models.map((it) => it.name).filter(isChat) ?? [], isLoading };
}
