import { expect, it } from "vitest";
import { changedFields, maskPath, pathsOf } from "./changes";

it("finds the fields that differ, whatever is in them", () => {
  const before = { name: "a", list: [{ weight: 1 }], key: null as string | null, policy: { retry: null } };
  expect(changedFields(before, structuredClone(before))).toEqual([]);
  expect(changedFields(before, { ...before, list: [{ weight: 2 }], key: "" })).toEqual(["list", "key"]);
});

it("names every value of a form", () => {
  const values = { name: "a", members: [{ upstream: "x", weight: 1 }], aliases: ["one"], policy: { retry: { attempts: 1 } } };
  expect(pathsOf(values)).toEqual([
    "name", "members", "members.0.upstream", "members.0.weight", "aliases", "aliases.0", "policy", "policy.retry", "policy.retry.attempts",
  ]);
});

it("writes masks as the protocol does", () => expect(maskPath("omitStreamOptions")).toBe("omit_stream_options"));
