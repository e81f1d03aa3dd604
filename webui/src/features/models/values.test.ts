import { create } from "@bufbuild/protobuf";
import { Capability, CreateModelRequestSchema, FallbackCause, ModelSchema } from "@tollkeeper/client/v1/model_service";
import { Strategy } from "@tollkeeper/client/v1/traffic";
import { expect, it } from "vitest";
import { maskOf, modelProblems, readModel, writeModel } from "./values";

const stored = create(ModelSchema, {
  name: "chat",
  aliases: ["c"],
  capabilities: [Capability.CHAT_COMPLETIONS],
  deployments: [{ upstream: "main", upstreamModel: "gpt", weight: 2, prices: [{ rates: { input: 1 } }] }, { upstream: "other" }],
  fallbacks: ["small"],
  fallbackOn: [FallbackCause.CONTENT],
  prices: [{ rates: { input: 2.5, output: 10, cached: 0 } }],
  isActive: true,
  policy: { strategy: Strategy.FAILOVER },
});

it("writes what it reads", () => {
  const { aliases, capabilities, deployments, fallbacks, fallbackOn, prices, policy, group } = stored;
  expect(create(CreateModelRequestSchema, writeModel(readModel(stored)))).toMatchObject({
    name: "chat", aliases, capabilities, deployments, fallbacks, fallbackOn, prices, policy, group,
  });
});

it("leaves the price out that is taken away", () => {
  const values = readModel(stored);
  expect(writeModel({ ...values, price: { ...values.price, isSet: false } }).prices).toEqual([]);
  expect(maskOf(values, ["price"])).toEqual(["prices"]);
});

it("leaves the prices of a deployment out that has moved", () => {
  const values = readModel(stored);
  const moved = values.deployments.map((it) => ({ ...it, upstreamModel: "other" }));
  expect(writeModel({ ...values, deployments: moved }).deployments[0]).not.toHaveProperty("prices");
});

it("changes what serves the model by the fields of the protocol", () => {
  const values = readModel(stored);
  const moved = { ...values, servedBy: "group" as const, group: "all" };
  expect(maskOf(moved, ["served_by", "group"])).toEqual(["group"]);
  expect(writeModel(moved)).toMatchObject({ group: "all", deployments: [] });
  expect(maskOf(values, ["served_by"]).toSorted()).toEqual(["deployments", "group"]);
  expect(maskOf(values, ["aliases", "is_active"])).toEqual(["aliases", "is_active"]);
});

it("finds what is missing", () => {
  const values = readModel(undefined);
  expect(modelProblems(values)["deployments.0.upstream"]).toContain("choose one");
  expect(modelProblems({ ...values, servedBy: "group" }).group).toBe("choose one");
  expect(Object.values(modelProblems(readModel(stored))).filter((it) => it)).toEqual([]);
});
