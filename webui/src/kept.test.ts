import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const ROOT = import.meta.dirname;
const INSTEAD = [
  // An error in place of all else.
  /if \([\w.]*error\) return </,
  /[\w.]*error \? \(?\s*<ErrorState/,
  // What was read, only while nothing failed.
  /\{(\w+ && )?![\w.]*error && (?!<(Stack|Skeleton))/,
];
// What it shows is the answer to one command. There is none before it.
const NO_READS = ["features/upstreams/parts/TestSteps.tsx"];

// One read of many that fails must not take away what a page shows: an open form, a secret that is shown once, the figures of a minute ago.
it("shows an error of a read above what was read before, never in its place", () => {
  const sources = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter((it) => it.endsWith(".tsx") && !NO_READS.includes(it));
  expect(sources.length).toBeGreaterThan(50);
  const found = sources.flatMap((name) => {
    const text = readFileSync(join(ROOT, name), "utf8");
    return INSTEAD.flatMap((it) => it.exec(text)?.[0] ?? []).map((it) => `${name}: ${it}`);
  });
  expect(found).toEqual([]);
});
