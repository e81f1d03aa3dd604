import { expect, it } from "vitest";
import { active, namedSearch } from "./named";

const { list, one } = namedSearch(["edit", "delete"], { list: { active }, one: {} });

it("keeps what a list of named things may say, and leaves out what makes no sense", () => {
  const all = { q: "gpu", order: "updated_at desc", act: "new", name: "vllm", active: "yes" };
  expect(list(all)).toEqual(all);
  expect(list({ q: "x".repeat(200), order: "color", act: "explode", name: "no name", active: "maybe" })).toEqual({});
});

it("makes nothing new on the page of one", () => {
  expect([one({ act: "delete" }), one({ act: "new" })]).toEqual([{ act: "delete" }, {}]);
});
