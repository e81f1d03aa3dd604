import { create } from "@bufbuild/protobuf";
import { UsageEventSchema } from "@tollkeeper/client/v1/usage_service";
import { describe, expect, it } from "vitest";
import { EMPTY, MOST, released, withArrived, withEarlier } from "./tail";

const call = (id: string, tokens = 0n) => create(UsageEventSchema, { id, promptTokens: tokens });
const arrived = (...ids: string[]) => ({ events: ids.map((it) => call(it)), amended: [], dropped: 0n });
const idsOf = (all: readonly { id: string }[]) => all.map((it) => it.id);

describe("withArrived", () => {
  it("puts the latest first", () => {
    const tail = withArrived(withArrived(EMPTY, arrived("a", "b"), false), arrived("c"), false);
    expect(idsOf(tail.shown)).toEqual(["c", "b", "a"]);
  });

  it("moves nothing while it is held, counts, and shows all of it when it is released", () => {
    const tail = withArrived(withArrived(EMPTY, arrived("a"), false), arrived("b", "c"), true);
    expect(idsOf(tail.shown)).toEqual(["a"]);
    expect(tail.fresh).toBe(2);
    expect(idsOf(released(tail).shown)).toEqual(["c", "b", "a"]);
    expect(released(tail).fresh).toBe(0);
    expect(idsOf(withArrived(tail, arrived("d"), false).shown)).toEqual(["d", "c", "b", "a"]);
  });

  it("puts amended calls in the place of the earlier ones, shown and held", () => {
    const held = withArrived(withArrived(EMPTY, arrived("a"), false), arrived("b"), true);
    const tail = withArrived(held, { events: [], amended: [call("a", 7n), call("b", 8n), call("gone", 9n)], dropped: 0n }, true);
    expect(tail.shown[0]?.promptTokens).toBe(7n);
    expect(tail.held[0]?.promptTokens).toBe(8n);
    expect(tail.shown).toHaveLength(1);
    expect(tail.fresh).toBe(1);
  });

  it("is bounded, shown and held, and counts on", () => {
    const many = arrived(...Array.from({ length: MOST + 50 }, (_, index) => String(index)));
    expect(withArrived(EMPTY, many, false).shown).toHaveLength(MOST);
    const tail = withArrived(withArrived(EMPTY, many, true), many, true);
    expect(tail.held).toHaveLength(MOST);
    expect(tail.fresh).toBe(2 * (MOST + 50));
    expect(tail.held[0]?.id).toBe(String(MOST + 49));
  });

  it("sums what was dropped", () => {
    const dropped = (count: bigint) => ({ events: [], amended: [], dropped: count });
    expect(withArrived(withArrived(EMPTY, dropped(3n), false), dropped(4n), true).dropped).toBe(7);
  });
});

it("has each call once that was stored before the tail began, and came by it, too", () => {
  expect(idsOf(withEarlier([call("c"), call("b")], [call("b"), call("a")]))).toEqual(["c", "b", "a"]);
});
