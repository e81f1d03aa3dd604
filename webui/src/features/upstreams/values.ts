import { create } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { AuthScheme, HeaderAction, Provider, type Upstream } from "@tollkeeper/client/v1/upstream_service";
import { durationProblem, readDuration, writeDuration } from "../../shared/format/durations";
import { numberOf, present } from "../../shared/traffic/policy";
import { providerOf } from "./providers";

export type HeaderRow = { action: HeaderAction; name: string; value: string };

/** An upstream as a form has it. Of secrets, null leaves what is stored. */
export type UpstreamValues = {
  provider: Provider;
  name: string;
  baseUrl: string;
  fullUrl: string;
  apiKey: string | null;
  authScheme: AuthScheme;
  authHeader: string;
  username: string;
  organization: string;
  project: string;
  apiVersion: string;
  isActive: boolean;
  isDefault: boolean;
  timeouts: { connect: string; firstByte: string; idle: string; total: string };
  headerOperations: HeaderRow[];
  passedHeaders: string[];
  requestIdHeader: string;
  breaker: { threshold: number | ""; cooldown: string; window: string; minCalls: number | "" };
  probe: { isSet: boolean; path: string; interval: string; timeout: string };
  proxyUrl: string | null;
  caCertificates: string;
  caOnly: boolean;
  clientCertificate: string;
  clientKey: string | null;
  omitStreamOptions: boolean;
  keepPath: boolean;
  listModels: boolean;
  drain: string;
};

const SECRETS: ReadonlySet<string> = new Set(["apiKey", "proxyUrl", "clientKey"]);

export function readUpstream(stored: Upstream | undefined): UpstreamValues {
  const provider = stored?.provider ?? Provider.OPENAI;
  const { timeouts, breaker, probe } = stored ?? {};
  const secret = stored ? null : "";
  return {
    provider,
    name: stored?.name ?? "",
    baseUrl: stored?.baseUrl ?? providerOf(provider)?.baseUrl ?? "",
    fullUrl: stored?.fullUrl ?? "",
    apiKey: secret,
    authScheme: provider === Provider.GENERIC ? (stored?.authScheme ?? AuthScheme.UNSPECIFIED) : AuthScheme.UNSPECIFIED,
    authHeader: stored?.authHeader ?? "",
    username: stored?.username ?? "",
    organization: stored?.organization ?? "",
    project: stored?.project ?? "",
    apiVersion: stored?.apiVersion ?? "",
    isActive: stored?.isActive ?? true,
    isDefault: stored?.isDefault ?? false,
    timeouts: {
      connect: writeDuration(timeouts?.connect),
      firstByte: writeDuration(timeouts?.firstByte),
      idle: writeDuration(timeouts?.idle),
      total: writeDuration(timeouts?.total),
    },
    headerOperations: (stored?.headerOperations ?? []).map(({ action, name, value }) => ({ action, name, value })),
    passedHeaders: [...(stored?.passedHeaders ?? [])],
    requestIdHeader: stored?.requestIdHeader ?? "",
    breaker: {
      threshold: breaker?.threshold ?? "",
      cooldown: writeDuration(breaker?.cooldown),
      window: writeDuration(breaker?.window),
      minCalls: breaker?.minCalls ?? "",
    },
    probe: {
      isSet: probe !== undefined,
      path: probe?.path ?? "/models",
      interval: writeDuration(probe?.interval),
      timeout: writeDuration(probe?.timeout),
    },
    proxyUrl: secret,
    caCertificates: stored?.caCertificates ?? "",
    caOnly: stored?.caOnly ?? false,
    clientCertificate: stored?.clientCertificate ?? "",
    clientKey: secret,
    omitStreamOptions: stored?.omitStreamOptions ?? false,
    keepPath: stored?.keepPath ?? false,
    listModels: stored?.listModels ?? false,
    drain: stored?.drain ? writeDuration(stored.drain) : "",
  };
}

/** Return the values after another provider is chosen: what only the former has leaves, and untouched defaults follow. */
export function withProvider(values: UpstreamValues, provider: Provider): UpstreamValues {
  const before = providerOf(values.provider);
  const after = providerOf(provider);
  const has = (setting: string) => after?.settings.some((it) => it === setting) ?? false;
  return {
    ...values,
    provider,
    baseUrl: values.baseUrl === before?.baseUrl || values.baseUrl === "" ? (after?.baseUrl ?? "") : values.baseUrl,
    apiVersion: !has("apiVersion") ? "" : values.apiVersion === before?.apiVersion || values.apiVersion === "" ? (after?.apiVersion ?? "") : values.apiVersion,
    organization: has("organization") ? values.organization : "",
    project: has("project") ? values.project : "",
    fullUrl: has("fullUrl") ? values.fullUrl : "",
    authScheme: has("authScheme") ? values.authScheme : AuthScheme.UNSPECIFIED,
    authHeader: has("authScheme") ? values.authHeader : "",
    username: has("authScheme") ? values.username : "",
    keepPath: has("keepPath") && values.keepPath,
    listModels: (after?.listsModels ?? false) && values.listModels,
  };
}

/** Return a message that describes the upstream whole. An empty secret stands for the stored one. */
export function writeUpstream(values: UpstreamValues) {
  const { timeouts, breaker, probe, isActive, drain, ...rest } = values;
  const limits = present({
    connect: readDuration(timeouts.connect),
    firstByte: readDuration(timeouts.firstByte),
    idle: readDuration(timeouts.idle),
    total: readDuration(timeouts.total),
  });
  const opens = present({
    threshold: numberOf(breaker.threshold),
    cooldown: readDuration(breaker.cooldown),
    window: readDuration(breaker.window),
    minCalls: numberOf(breaker.minCalls),
  });
  return {
    ...rest,
    isActive,
    apiKey: values.apiKey ?? "",
    proxyUrl: values.proxyUrl ?? "",
    clientKey: values.clientKey ?? "",
    ...present({ drain: readDuration(drain) }),
    ...(Object.keys(limits).length > 0 ? { timeouts: limits } : {}),
    ...(Object.keys(opens).length > 0 ? { breaker: opens } : {}),
    ...(probe.isSet
      ? { probe: { path: probe.path, ...present({ interval: readDuration(probe.interval), timeout: readDuration(probe.timeout) }) } }
      : {}),
  };
}

/** Return the message that changes the fields of `mask` alone. */
export const writeChange = (values: UpstreamValues, mask: readonly string[], etag: string) => ({
  ...writeUpstream(values),
  etag,
  updateMask: create(FieldMaskSchema, { paths: [...mask] }),
});

export const upstreamProblems = ({ timeouts, breaker, probe, drain }: UpstreamValues): Record<string, string | undefined> => ({
  drain: durationProblem(drain),
  "timeouts.connect": durationProblem(timeouts.connect),
  "timeouts.firstByte": durationProblem(timeouts.firstByte),
  "timeouts.idle": durationProblem(timeouts.idle),
  "timeouts.total": durationProblem(timeouts.total),
  "breaker.cooldown": durationProblem(breaker.cooldown),
  "breaker.window": durationProblem(breaker.window),
  "probe.interval": probe.isSet ? durationProblem(probe.interval) : undefined,
  "probe.timeout": probe.isSet ? durationProblem(probe.timeout) : undefined,
});

/** Tell a field of an upstream in a conflict. */
export function tellUpstream(field: keyof UpstreamValues, values: UpstreamValues): string {
  const value = values[field];
  if (SECRETS.has(field)) return value === null ? "as stored" : value === "" ? "none" : "another (not shown)";
  if (field === "provider") return providerOf(values.provider)?.label ?? "";
  if (field === "headerOperations")
    return values.headerOperations.map((it) => `${HeaderAction[it.action]?.toLowerCase()} ${it.name}${it.value && `: ${it.value}`}`).join("\n");
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return Object.entries(value).filter(([, it]) => it !== "").map(([key, it]) => `${key} ${it}`).join(", ") || "the defaults";
  if (Array.isArray(value)) return value.join(", ") || "none";
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value) || "none";
}
