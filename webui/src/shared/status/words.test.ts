import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { BreakerState, UpstreamStatusSchema } from "@tollkeeper/client/v1/status_service";
import { ConnectReason } from "@tollkeeper/client/v1/upstream_service";
import { expect, it } from "vitest";
import { lastError, stateOf, troubleOf } from "./words";

const status = (fields: MessageInitShape<typeof UpstreamStatusSchema>) => create(UpstreamStatusSchema, { breaker: BreakerState.CLOSED, ...fields });

it.each([
  ["", ""],
  ["timeout", "did not answer in time"],
  ["http_429", "answered with status 429"],
  ["something_else", "something_else"],
])("says what the failure %j is", (kind, said) => expect(lastError(status({ lastError: kind }))).toBe(said));

it("says why a connection failed", () => {
  const failed = status({ lastError: "connect", connectFailure: { reason: ConnectReason.REFUSED, atProxy: true } });
  expect(lastError(failed)).toBe("nothing listens at the address and port (at the proxy)");
});

it("tells of trouble that no caller had, and not of what is over", () => {
  expect(troubleOf(status({ connectFailure: { reason: ConnectReason.NAME, isOver: true } }))).toBeUndefined();
  expect(troubleOf(status({ connectFailure: { reason: ConnectReason.NAME } }))?.text).toContain("does not resolve");
  expect(troubleOf(status({ lastProbe: { passed: false, problem: "status 500" } }))?.text).toBe("probe: status 500");
  expect(troubleOf(status({}))).toBeUndefined();
});

it("says the state in a word", () => {
  expect(stateOf(false, undefined).word).toBe("Out of traffic");
  expect(stateOf(true, undefined).word).toBe("Not known");
  expect(stateOf(true, status({ breaker: BreakerState.HALF_OPEN })).word).toBe("Probing");
});
