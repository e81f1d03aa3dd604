import { Code, Stack } from "@mantine/core";
import { HeaderAction, Provider, type Upstream } from "@tollkeeper/client/v1/upstream_service";
import { writeDuration } from "../../../shared/format/durations";
import { formatShare } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { CopyText } from "../../../shared/ui/CopyText";
import { type Fact, Facts } from "../../../shared/ui/Facts";
import { providerName, SCHEMES } from "../providers";

/** An upstream as it is configured, with the defaults that are in force where it sets nothing. */
export function SettingsFacts({ upstream: it }: { upstream: Upstream }) {
  const { timeouts, breaker, probe } = it;
  const facts: (Fact | undefined)[] = [
    { name: "Provider", value: providerName(it.provider) },
    it.fullUrl
      ? { name: "Full URL", value: <CopyText value={it.fullUrl} label="Copy the full URL" /> }
      : { name: "Base URL", value: <CopyText value={it.baseUrl} label="Copy the base URL" /> },
    { name: "API key", value: it.apiKey ? <Code>{it.apiKey}</Code> : "none" },
    it.provider === Provider.GENERIC
      ? {
          name: "Authentication",
          value: `${SCHEMES.find(({ value }) => value === it.authScheme)?.label ?? "None"}${it.authHeader && `: ${it.authHeader}`}${it.username && `, user ${it.username}`}`,
        }
      : undefined,
    it.apiVersion ? { name: "API version", value: it.apiVersion } : undefined,
    it.organization ? { name: "Organization", value: it.organization } : undefined,
    it.project ? { name: "Project", value: it.project } : undefined,
    {
      name: "Timeouts",
      value: `connect ${timeouts?.connect ? writeDuration(timeouts.connect) : "10 s"}, first byte ${timeouts?.firstByte ? writeDuration(timeouts.firstByte) : "10 min"}, idle ${timeouts?.idle ? writeDuration(timeouts.idle) : "5 min"}, total ${timeouts?.total ? writeDuration(timeouts.total) : "1 h"}`,
    },
    {
      name: "Breaker",
      value: `opens when ${formatShare(breaker?.threshold ?? 0.5)} of at least ${breaker?.minCalls ?? 10} calls in ${breaker?.window ? writeDuration(breaker.window) : "30 s"} failed, for ${breaker?.cooldown ? writeDuration(breaker.cooldown) : "30 s"}`,
    },
    {
      name: "Probe",
      value: probe
        ? `${probe.path} every ${probe.interval ? writeDuration(probe.interval) : "10 s"}, within ${probe.timeout ? writeDuration(probe.timeout) : "5 s"}`
        : "none",
    },
    it.headerOperations.length > 0
      ? {
          name: "Header operations",
          value: (
            <Stack gap={2} align="start">
              {it.headerOperations.map((row, at) => <Code key={at}>{`${HeaderAction[row.action]?.toLowerCase()} ${row.name}${row.value && `: ${row.value}`}`}</Code>)}
            </Stack>
          ),
        }
      : undefined,
    it.passedHeaders.length > 0 ? { name: "Passed headers", value: it.passedHeaders.join(", ") } : undefined,
    it.requestIdHeader ? { name: "Request id header", value: it.requestIdHeader } : undefined,
    it.proxyUrl ? { name: "Proxy", value: <Code>{it.proxyUrl}</Code> } : undefined,
    it.caCertificates ? { name: "Authorities", value: it.caOnly ? "its own alone" : "its own, beside the system's" } : undefined,
    it.clientCertificate
      ? { name: "Client certificate", value: <>expires <Time time={it.clientCertificateExpiresAt} /></> }
      : undefined,
    it.keepPath ? { name: "Path", value: "appended as it came" } : undefined,
    it.omitStreamOptions ? { name: "stream_options", value: "never asked for" } : undefined,
    it.drain ? { name: "Read on when callers leave", value: writeDuration(it.drain) } : undefined,
    { name: "Lists its models to callers", value: it.listModels ? "yes" : "no" },
    { name: "Added", value: <Time time={it.createdAt} /> },
    { name: "Changed", value: <Time time={it.updatedAt} /> },
  ];
  return <Facts facts={facts.filter((fact) => fact !== undefined)} />;
}
