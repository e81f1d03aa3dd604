import { create } from "@bufbuild/protobuf";
import { BreakerState, UpstreamStatusSchema, type WatchStatusResponse, WatchStatusResponseSchema } from "@tollkeeper/client/v1/status_service";
import { expect, it } from "vitest";
import { type Followed, follow } from "./follow";

const named = (name: string, breaker = BreakerState.CLOSED) => create(UpstreamStatusSchema, { name, breaker });
const message = (fields: Partial<WatchStatusResponse>) => create(WatchStatusResponseSchema, fields as never);
const breakers = (known: Followed) => [...known].map(([name, it]) => [name, it.breaker]);

it("keeps what a message does not name", () => {
  const first = follow(new Map(), message({ isStart: true, upstreams: [named("a"), named("b")] }));
  const second = follow(first, message({ upstreams: [named("b", BreakerState.OPEN)] }));
  expect(breakers(second)).toEqual([["a", BreakerState.CLOSED], ["b", BreakerState.OPEN]]);
  expect(breakers(follow(second, message({ removedUpstreams: ["a"] })))).toEqual([["b", BreakerState.OPEN]]);
});

it("stays the same when a message is about something else", () => {
  const first = follow(new Map(), message({ isStart: true, upstreams: [named("a")] }));
  expect(follow(first, message({}))).toBe(first);
});

it("forgets everything where the whole begins again", () => {
  const first = follow(new Map(), message({ isStart: true, upstreams: [named("a")] }));
  expect(breakers(follow(first, message({ isStart: true, upstreams: [named("b")] })))).toEqual([["b", BreakerState.CLOSED]]);
});
