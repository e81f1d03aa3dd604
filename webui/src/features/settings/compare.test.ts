import { expect, test } from "vitest";
import { limitsOf, readable, toggled } from "./compare";

const none = { pick: undefined, from: undefined, to: undefined };

test("the second that is chosen is compared with the first, the older before the newer", () => {
  expect(toggled({}, 7)).toEqual({ ...none, pick: 7 });
  expect(toggled({ pick: 7 }, 3)).toEqual({ ...none, from: 3, to: 7 });
});

test("a third begins anew, and one that is chosen leaves the other", () => {
  expect(toggled({ from: 3, to: 7 }, 5)).toEqual({ ...none, pick: 5 });
  expect(toggled({ from: 3, to: 7 }, 7)).toEqual({ ...none, pick: 3 });
  expect(toggled({ pick: 3 }, 3)).toEqual(none);
});

test("values are read as people write them", () => {
  expect(readable('"a\\nb"')).toBe("a\nb");
  expect(readable("true")).toBe("true");
  expect(readable('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(readable("")).toBe("");
});

test.each([
  ['[{"measure":"money","amount":25000000000,"period":"month","zone":"Europe/Berlin"},{"measure":"concurrent_requests","amount":"5"}]', ["$25.00 a month, Europe/Berlin", "5 requests at once"]],
  ['[{"measure":"money","dollars":"25.5","period":"day","clamp":true,"allow_unpriced":true}]', ["$25.50 a day, UTC, shorter answers, unpriced allowed"]],
  ['[{"measure":"tokens_per_minute","amount":60000,"burst":2000}]', ["60,000 tokens a minute, burst 2,000"]],
  ['[{"measure":"of_later_releases","amount":1}]', undefined],
  ['{"measure":"money"}', undefined],
])("limits are told in words: %#", (json, words) => expect(limitsOf(json)).toEqual(words));
