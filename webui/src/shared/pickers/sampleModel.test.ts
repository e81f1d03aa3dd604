import { create } from "@bufbuild/protobuf";
import { Capability, ModelSchema } from "@tollkeeper/client/v1/model_service";
import { expect, it } from "vitest";
import { sampleOf } from "./sampleModel";

const model = (name: string, more: { aliases?: string[]; isActive?: boolean; capabilities?: Capability[] } = {}) =>
  create(ModelSchema, { name, isActive: true, ...more });

it("names none where none is configured, whatever a token allows", () => {
  expect(sampleOf([], [])).toBeUndefined();
  expect(sampleOf([], ["gpt-4o-mini"])).toBeUndefined();
});

it("names the first to chat with that takes traffic", () => {
  const models = [
    model("text-embedding-3-small"),
    model("off", { isActive: false }),
    model("vectors", { capabilities: [Capability.EMBEDDINGS] }),
    model("house-chat"),
  ];
  expect(sampleOf(models, [])).toBe("house-chat");
});

it("names one that the token may use, and that exists", () => {
  const models = [model("a"), model("b-1"), model("c", { aliases: ["d"] })];
  expect(sampleOf(models, ["gone", "d"])).toBe("d");
  expect(sampleOf(models, ["b-*"])).toBe("b-1");
  expect(sampleOf(models, ["gone"])).toBeUndefined();
});

it("names of a pattern what a token allows, an alias, or what an upstream has", () => {
  expect(sampleOf([model("gpt-*")], [])).toBeUndefined();
  expect(sampleOf([model("gpt-*")], ["gpt-x"])).toBe("gpt-x");
  expect(sampleOf([model("gpt-*", { aliases: ["usual"] })], [])).toBe("usual");
  expect(sampleOf([model("gpt-*")], [], ["o3", "gpt-image-1", "gpt-3.5-turbo-instruct", "gpt-4o"])).toBe("gpt-4o");
});
