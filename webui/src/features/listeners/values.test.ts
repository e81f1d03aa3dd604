import { create } from "@bufbuild/protobuf";
import { ListenerSchema } from "@tollkeeper/client/v1/listener_service";
import { expect, test } from "vitest";
import { conditionOf, listenerProblems, NO_RULE, readListener, tellListener, writeListener } from "./values";

const stored = create(ListenerSchema, {
  name: "tenants",
  address: "0.0.0.0:3001",
  isActive: true,
  defaultGroup: "chat",
  rules: [
    { group: "fast", path: "/v1/*", header: "x-team", pattern: "a+", stripPrefix: "/v1" },
    { group: "slow", header: "x-beta", value: "1" },
  ],
  ipLimit: { perSecond: 7 },
  headTimeout: { seconds: 10n },
});

test("what is read is written as it was", () => {
  const written = writeListener(readListener(stored));
  expect(written.rules).toEqual([
    { group: "fast", path: "/v1/*", header: "x-team", value: "", pattern: "a+", stripPrefix: "/v1" },
    { group: "slow", path: "", header: "x-beta", value: "1", pattern: "", stripPrefix: "" },
  ]);
  expect(written.ipLimit).toEqual({ perSecond: 7 });
  expect(written.headTimeout?.seconds).toBe(10n);
  expect(tellListener("ipLimit", readListener(stored))).toBe("7 a second, 200 at once");
});

test("a limit that is switched off is not written, nor the value of another way to match", () => {
  const values = readListener(stored);
  const changed = { ...values, ipLimit: { ...values.ipLimit, isSet: false }, rules: values.rules.map((it) => ({ ...it, matching: "any" as const })) };
  expect("ipLimit" in writeListener(changed)).toBe(false);
  expect(writeListener(changed).rules.map((it) => it.value + it.pattern)).toEqual(["", ""]);
});

test("a rule needs a condition, what it compares with, and a group", () => {
  const rules = [NO_RULE, { ...NO_RULE, group: "g", header: "x-a", matching: "value" as const }];
  const problems = listenerProblems({ ...readListener(undefined), rules, headTimeout: "soon" });
  expect(Object.keys(problems).filter((it) => problems[it])).toEqual(["headTimeout", "rules.0.path", "rules.0.group", "rules.1.value"]);
});

test("a condition is told in words", () => {
  expect(stored.rules.map(conditionOf)).toEqual(["/v1/* with header x-team matches a+", "header x-beta: 1"]);
});
