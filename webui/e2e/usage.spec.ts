import { readFile } from "node:fs/promises";
import AxeBuilder from "@axe-core/playwright";
import type { Download, Locator, Page } from "@playwright/test";
import { companyConsoleUrl, expect, test } from "./gateway";
import { signIn } from "./management";

test.use({ baseURL: companyConsoleUrl, timezoneId: "Europe/Berlin" });

const BEFORE_LAST = 4;

/** Return the cells of a table's rows by the titles of its columns, all at one moment. */
const cellsOf = (table: Locator): Promise<Record<string, string>[]> =>
  table.evaluate((it) => {
    const texts = (row: Element, tag: string) => [...row.querySelectorAll(tag)].map((cell) => cell.textContent.trim());
    const titles = texts(it, "thead th");
    return [...it.querySelectorAll("tbody tr")].map((row) => Object.fromEntries(texts(row, "td").map((text, index) => [titles[index] ?? "", text])));
  });

/** Return a CSV's rows by the names of its columns; its cells have no commas and no quotes in them. */
async function rowsOf(download: Download): Promise<Record<string, string>[]> {
  const [head = "", ...lines] = (await readFile(await download.path(), "utf8")).trim().split(/\r?\n/);
  const names = head.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((cell, index) => [names[index] ?? "", cell])));
}

async function csvOf(page: Page, section: string): Promise<Record<string, string>[]> {
  const download = page.waitForEvent("download");
  await page.getByRole("region", { name: section, exact: true }).getByRole("link", { name: "CSV" }).click();
  return rowsOf(await download);
}

const count = (text: string | undefined): number => Number((text ?? "").replaceAll(",", ""));

test("usage is grouped, compared with the time before, and downloaded as it is shown", async ({ page }) => {
  test.slow();
  await signIn(page, "/usage?range=7d");
  await expect(page.getByRole("region", { name: "Requests over time", exact: true })).toBeVisible();
  await page.getByLabel("Group by").selectOption("Model");
  await page.getByLabel("Measure").selectOption("Tokens");
  await page.getByRole("switch", { name: "Compare with before" }).check();
  await expect(page.getByText("Compared with")).toBeVisible();
  await expect(page).toHaveURL(/group=model/);
  await expect(page).toHaveURL(/measure=tokens/);
  await expect(page).toHaveURL(/compare=true/);

  const table = page.getByRole("table", { name: "Usage by model" });
  await expect(table.getByRole("columnheader", { name: "Change" })).toBeVisible();
  const shown = await cellsOf(table);
  expect(shown.length).toBeGreaterThan(2);
  const csv = await csvOf(page, "By model");
  expect(csv).toHaveLength(shown.length);
  for (const [index, row] of shown.entries()) {
    const [tokens, before] = ["", "previous."].map((it) => count(csv[index]?.[`${it}prompt_tokens`]) + count(csv[index]?.[`${it}completion_tokens`]));
    expect(csv[index]?.["is_rest"] === "true" ? "the rest" : csv[index]?.["model"]).toBe(row["Model"]);
    expect([count(row["Tokens"]), count(row["Before"])]).toEqual([tokens, before]);
  }

  // The same in each interval: the chart's figures are those of the download, and sum up to the groups.
  const overTime = await csvOf(page, "Tokens over time");
  const total = (rows: Record<string, string>[]) => rows.reduce((sum, it) => sum + count(it["requests"]), 0);
  expect(total(overTime)).toBe(total(csv));
  await page.getByText("Table", { exact: true }).click();
  const figures = await cellsOf(page.getByRole("table", { name: /^Tokens by model, each/ }));
  expect(new Set(overTime.map((it) => it["start_time"])).size).toBe(figures.length);
});

test("rows stay under the heads of their own question until the next is answered", async ({ page }) => {
  await signIn(page, "/usage?range=7d&group=project");
  const before = page.getByRole("table", { name: "Usage by project" });
  await expect(before.getByRole("row").nth(1)).toBeVisible();
  let answer = () => {};
  const answered = new Promise<void>((done) => { answer = done; });
  await page.route(/SummarizeUsage/, async (route) => { await answered; await route.continue(); });
  await page.getByLabel("Group by").selectOption("Status");
  await expect(page).toHaveURL(/group=status/);
  await expect(before).toHaveAttribute("aria-busy", "true");
  const [first] = await cellsOf(before);
  expect(first?.["Project"]).toMatch(/[a-z]/);
  answer();
  const after = page.getByRole("table", { name: "Usage by class of status" });
  await expect(after.getByRole("row").nth(1)).toBeVisible();
  expect((await cellsOf(after)).map((it) => it["Status"]).filter((it) => !/^[1-5]xx$/.test(it ?? ""))).toEqual([]);
});

test("a row leads to the calls that it sums, with the same filters, which a reload keeps", async ({ page }) => {
  test.slow();
  await signIn(page, "/usage?range=7d&group=project");
  await page.getByRole("button", { name: "Filters" }).click();
  await page.getByLabel("Statuses").first().fill("4xx");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("button", { name: "Filters (1)" })).toBeVisible();
  const table = page.getByRole("table", { name: "Usage by project" });
  // All calls of such a status have failed: the rows are those of the filter.
  await expect(async () => {
    const rows = await cellsOf(table);
    expect(rows.length).toBeGreaterThan(1);
    expect(rows.map((it) => it["Requests"])).toEqual(rows.map((it) => it["Failed requests"]));
  }).toPass();
  const [first] = await cellsOf(table);
  await table.getByRole("link", { name: first?.["Project"] ?? "", exact: true }).click();

  await expect(page.getByRole("heading", { name: "Calls", level: 2 })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("button", { name: "Filters (2)" })).toBeVisible();
  const calls = page.getByRole("table", { name: "Calls" });
  await expect(calls.getByRole("row").nth(1)).toBeVisible();
  const statuses = (await cellsOf(calls)).map((it) => it["Status"] ?? "");
  expect(statuses.filter((it) => !it.startsWith("4"))).toEqual([]);
  expect(statuses.length).toBe(Math.min(count(first?.["Requests"]), 50));
});

test("a link that is copied shows the same at any time and in any zone", async ({ page, context }) => {
  test.slow();
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await signIn(page, "/usage?range=30d&interval=week&group=project&zone=Asia%2FTokyo");
  const table = page.getByRole("table", { name: "Usage by project" });
  await expect(table.getByRole("row").nth(1)).toBeVisible();
  const shown = await cellsOf(table);
  await page.getByRole("button", { name: "Copy link" }).click();
  await expect(page.getByRole("button", { name: "Copied" })).toBeVisible();
  const link = new URL(await page.evaluate(() => navigator.clipboard.readText()));
  expect([...link.searchParams.keys()].toSorted()).toEqual(["from", "group", "interval", "to", "zone"]);
  expect(link.searchParams.get("zone")).toBe("Asia/Tokyo");

  await page.goto(link.href);
  await expect(table.getByRole("row").nth(1)).toBeVisible();
  expect(await cellsOf(table)).toEqual(shown);
  await page.getByText("Table", { exact: true }).click();
  const figures = page.getByRole("table", { name: "Requests by project, each week" });
  // Weeks begin at midnights of the zone that was chosen.
  for (const { From: from } of (await cellsOf(figures)).slice(0, BEFORE_LAST)) expect(from).toMatch(/00:00$/);
});

test("a range is chosen by its two times, on the clocks of the zone", async ({ page }) => {
  await signIn(page, "/usage?zone=UTC");
  await page.getByRole("button", { name: "From … to …" }).click();
  await page.getByLabel("From", { exact: true }).fill("2020-01-01T10:00");
  await page.getByLabel("To", { exact: true }).fill("2020-01-01T09:00");
  await expect(page.getByText("Must be after the first")).toBeVisible();
  await page.getByLabel("To", { exact: true }).fill("2020-01-02T10:00");
  await page.getByRole("button", { name: "Show" }).click();
  await expect(page).toHaveURL(/from=2020-01-01T10%3A00%3A00\.000Z|from=%222020-01-01T10%3A00%3A00\.000Z%22/);
  await expect(page.getByText("No call in this time")).toBeVisible();
});

for (const colorScheme of ["light", "dark"] as const)
  test(`the explorer has nothing serious for axe with all of it open, ${colorScheme}`, async ({ page }) => {
    test.slow();
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await signIn(page, "/usage?range=7d&group=upstream&measure=first_byte_p95&compare=true&status=%5B%222xx%22%5D");
    await expect(page.getByRole("table", { name: "Usage by upstream" }).getByRole("row").nth(1)).toBeVisible();
    await page.getByText("Table", { exact: true }).click();
    await expect(page.getByRole("table", { name: /^First byte, p95 by upstream/ })).toBeVisible();
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.filter((it) => it.impact === "serious" || it.impact === "critical").map((it) => [it.id, it.nodes.map((node) => node.html)])).toEqual([]);
  });
