import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, it } from "vitest";

const ROOT = import.meta.dirname;
const IMPORT = /(import|export)\s+(type\s+)?(?:[^'"();]*?from\s+)?["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)/g;

const sources = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter((it) => /\.tsx?$/.test(it) && !it.includes(".test."));

interface Arrow {
  from: string;
  to: string;
  isType: boolean;
}

const arrows: Arrow[] = sources.flatMap((from) =>
  [...readFileSync(join(ROOT, from), "utf8").matchAll(IMPORT)]
    .map(([, , type, still, lazy]) => ({ target: still ?? lazy ?? "", isType: type !== undefined }))
    .filter(({ target }) => target.startsWith("."))
    .map(({ target, isType }) => ({ from, to: relative(ROOT, resolve(ROOT, dirname(from), target)), isType })),
);

const featureOf = (path: string) => /^features\/([^/]+)/.exec(path)?.[1];

it("sees the imports of the sources", () => expect(arrows.length).toBeGreaterThan(50));

it("lets shared import shared alone", () => {
  expect(arrows.filter((it) => it.from.startsWith("shared/") && !it.to.startsWith("shared/"))).toEqual([]);
});

it("lets nothing below app import app", () => {
  expect(arrows.filter((it) => it.to.startsWith("app/") && !it.from.startsWith("app/") && it.from !== "main.tsx")).toEqual([]);
});

it("lets a feature know another by the types of its index alone", () => {
  const strangers = arrows.filter((it) => {
    const [from, to] = [featureOf(it.from), featureOf(it.to)];
    return from !== undefined && to !== undefined && from !== to && !(it.isType && it.to === `features/${to}`);
  });
  expect(strangers).toEqual([]);
});
