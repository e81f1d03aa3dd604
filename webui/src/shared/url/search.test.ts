import { expect, it } from "vitest";
import { changed, entityName, flag, modelName, number, oneOf, orderBy, projectId, searchOf, several, sought, text, texts, tokenId } from "./search";

const read = searchOf({ q: text, states: texts, live: flag, from: number, sort: oneOf(["a", "b"]) });

it("keeps what an address may say", () => {
  const all = { q: "x", states: ["one", "two"], live: true, from: 3, sort: "b" };
  expect(read(all)).toEqual(all);
});

it("leaves out what it may not say", () => {
  expect(read({ q: {}, states: [], live: "yes", from: "3", sort: "c", other: 1 })).toEqual({});
  expect(read({ q: "x".repeat(513) })).toEqual({});
  for (const from of [1.5, -1, 1e30]) expect(read({ from })).toEqual({});
});

it("takes a number for a text, and one text for several", () => {
  expect(read({ q: 12, states: "one" })).toEqual({ q: "12", states: ["one"] });
});

it("takes what becomes undefined out of the address", () => {
  expect(changed({ q: "x", live: true }, { q: undefined })).toEqual({ live: true });
});

it("lies over what the address says, so that nothing of it gets through", () => {
  const raw = { q: {}, from: 1.5, sort: "c" };
  expect({ ...raw, ...read(raw) }).toEqual({});
});

it("takes the orders of a list, each with its reverse, and no others", () => {
  const order = orderBy(["name", "created_at"]);
  expect(["name", "name desc", "created_at desc"].map(order)).toEqual(["name", "name desc", "created_at desc"]);
  expect(["color", "name asc", "name desc desc", "", 3].map(order)).toEqual([undefined, undefined, undefined, undefined, undefined]);
});

it("leaves those out of several that can't be", () => {
  const states = several(oneOf(["active", "revoked"]));
  expect(states(["revoked", "sleeping", { a: 1 }])).toEqual(["revoked"]);
  expect([states(["sleeping"]), states("active")]).toEqual([undefined, ["active"]]);
});

it("takes no text, name or id that the gateway would refuse", () => {
  expect([sought("ci & cd"), sought("ü".repeat(128))]).toEqual(["ci & cd", "ü".repeat(128)]);
  expect([sought("x".repeat(129)), sought("a\u0000b"), sought("a\nb")]).toEqual([undefined, undefined, undefined]);
  expect([entityName("vllm-berlin"), entityName("no name"), entityName("-x"), entityName("x".repeat(65))]).toEqual(["vllm-berlin", undefined, undefined, undefined]);
  expect([modelName("meta/llama:70b *"), modelName("x".repeat(257))]).toEqual(["meta/llama:70b *", undefined]);
  expect([projectId(`prj_01${"j".repeat(24)}`), projectId("nope"), projectId(`tok_01${"j".repeat(24)}`)]).toEqual([`prj_01${"j".repeat(24)}`, undefined, undefined]);
  expect([tokenId(`tok_01${"j".repeat(24)}`), tokenId(`tok_01${"i".repeat(24)}`)]).toEqual([`tok_01${"j".repeat(24)}`, undefined]);
});
