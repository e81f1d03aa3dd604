import { create } from "@bufbuild/protobuf";
import { Strategy, type TrafficPolicy, TrafficPolicySchema } from "@tollkeeper/client/v1/traffic";
import { expect, it } from "vitest";
import { policyProblems, policyWords, readPolicy, writePolicy } from "./policy";

const cases: [string, TrafficPolicy][] = [
  ["no settings", create(TrafficPolicySchema, { strategy: Strategy.ROUND_ROBIN })],
  ["a retry of the defaults", create(TrafficPolicySchema, { strategy: Strategy.FAILOVER, retry: {} })],
  [
    "every setting",
    create(TrafficPolicySchema, {
      strategy: Strategy.RANDOM,
      userAgent: "tool/1",
      keepAlive: { seconds: 30n },
      timeouts: { connect: { nanos: 500_000_000 }, request: { seconds: 60n }, idle: { seconds: 5n } },
      retry: { attempts: 0, initial: { nanos: 1_000_000 }, max: { seconds: 9n }, total: { seconds: 90n }, onlySafe: true, budgetPercent: 5 },
      sessionHeader: "x-session",
    }),
  ],
];

it.each(cases)("writes what it reads: %s", (_, policy) => {
  expect(create(TrafficPolicySchema, writePolicy(readPolicy(policy)))).toEqual(policy);
});

it("finds durations that are none", () => {
  const values = { ...readPolicy(undefined), keepAlive: "long" };
  expect(Object.entries(policyProblems(values)).filter(([, it]) => it)).toHaveLength(1);
});

it("says what is set", () => {
  expect(policyWords(readPolicy(undefined))).toBe("the defaults");
  expect(policyWords({ ...readPolicy(undefined), sessionHeader: "x-user" })).toBe("pinned by x-user");
});
