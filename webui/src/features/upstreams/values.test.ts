import { create } from "@bufbuild/protobuf";
import { AuthScheme, CreateUpstreamRequestSchema, HeaderAction, Provider, type Upstream, UpstreamSchema } from "@tollkeeper/client/v1/upstream_service";
import { expect, it } from "vitest";
import { readUpstream, tellUpstream, upstreamProblems, withProvider, writeChange, writeUpstream } from "./values";

const stored: Upstream = create(UpstreamSchema, {
  name: "main",
  provider: Provider.GENERIC,
  baseUrl: "http://127.0.0.1:1/v1",
  authScheme: AuthScheme.HEADER,
  authHeader: "x-key",
  apiKey: "sk-…abcd",
  isActive: true,
  isDefault: true,
  timeouts: { connect: { seconds: 3n }, total: { seconds: 600n } },
  headerOperations: [{ action: HeaderAction.REMOVE, name: "x-a", value: "" }],
  breaker: { threshold: 0.25, minCalls: 3, cooldown: { nanos: 500_000_000 } },
  probe: { path: "/health", interval: { seconds: 5n } },
  passedHeaders: ["set-cookie"],
  requestIdHeader: "x-request-id",
  keepPath: true,
  listModels: true,
  drain: { seconds: 60n },
});

it("writes what it reads, and no secret of it", () => {
  const written = create(CreateUpstreamRequestSchema, writeUpstream(readUpstream(stored)));
  expect(written).toMatchObject({
    name: "main",
    provider: Provider.GENERIC,
    baseUrl: stored.baseUrl,
    authScheme: AuthScheme.HEADER,
    authHeader: "x-key",
    apiKey: "",
    isDefault: true,
    timeouts: stored.timeouts,
    headerOperations: stored.headerOperations,
    breaker: stored.breaker,
    probe: stored.probe,
    passedHeaders: ["set-cookie"],
    requestIdHeader: "x-request-id",
    keepPath: true,
    listModels: true,
    drain: stored.drain,
  });
  expect(writeUpstream({ ...readUpstream(stored), drain: "" }).drain).toBeUndefined();
});

it("changes what the mask names", () => {
  const change = writeChange({ ...readUpstream(stored), apiKey: "new" }, ["api_key"], "e1");
  expect(change).toMatchObject({ apiKey: "new", etag: "e1", updateMask: { paths: ["api_key"] } });
});

it("leaves the probe unset that is taken away", () => {
  const values = readUpstream(stored);
  expect(writeUpstream({ ...values, probe: { ...values.probe, isSet: false } }).probe).toBeUndefined();
});

it("fills what a provider has, and keeps what was typed", () => {
  const anthropic = withProvider(readUpstream(undefined), Provider.ANTHROPIC);
  expect(anthropic).toMatchObject({ baseUrl: "https://api.anthropic.com/v1", apiVersion: "2023-06-01" });
  expect(withProvider(anthropic, Provider.GENERIC)).toMatchObject({ baseUrl: "", apiVersion: "" });
  expect(withProvider({ ...anthropic, baseUrl: "http://own/v1" }, Provider.OPENAI).baseUrl).toBe("http://own/v1");
});

it("finds durations that are none", () => {
  const values = readUpstream(stored);
  expect(Object.values(upstreamProblems(values)).filter((it) => it)).toEqual([]);
  expect(upstreamProblems({ ...values, breaker: { ...values.breaker, window: "long" } })["breaker.window"]).toContain("no duration");
});

it("tells no secret", () => {
  expect(tellUpstream("apiKey", { ...readUpstream(stored), apiKey: "sk-secret" })).not.toContain("secret");
});
