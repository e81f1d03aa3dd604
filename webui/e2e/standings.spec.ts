import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { dataUrl, expect, test } from "./gateway";
import { call, Management, signIn } from "./management";

const MODEL = "counted-spec";

async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const grave = violations.filter((it) => it.impact === "serious" || it.impact === "critical");
  expect.soft(grave.map((it) => [it.id, it.nodes.map((node) => node.html)])).toEqual([]);
}

const overflow = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

test("a budget fills while it is looked at, and the overview leads to the form when nothing is left", async ({ page, request }) => {
  test.slow();
  const management = new Management(request);
  await management.serve(MODEL);
  const project = await management.project("Counted");
  const token = await management.token(project.id, "counter");
  const limits = [{ measure: "requests", amount: 5, period: "month", zone: "Asia/Tokyo" }, { measure: "concurrent_requests", amount: 3 }];
  await management.patch(`projects/${project.id}`, { limits, update_mask: "limits" });
  await signIn(page, `/projects/${project.id}`);
  const shown = page.getByRole("region", { name: "Limits" });
  const budget = shown.getByRole("listitem").filter({ hasText: "5 requests a month, Asia/Tokyo" });
  await expect(budget.getByText("0 used, 5 left · starts again")).toBeVisible();
  await expect(shown.getByRole("listitem").filter({ hasText: "3 requests at once" }).getByText("0 under way, 3 left")).toBeVisible();

  for (let made = 0; made < 4; made += 1) expect(await call(dataUrl, token.token, MODEL)).toBe(200);
  await expect(budget.getByText("4 used, 1 left · starts again")).toBeVisible();
  await expect(budget.getByText("80 % reached")).toBeVisible();
  expect(await call(dataUrl, token.token, MODEL)).toBe(200);
  await expect(budget.getByText("nothing left")).toBeVisible();
  await expectAccessible(page);

  await page.goto("/admin/");
  const budgets = page.getByRole("region", { name: "Budgets" });
  const row = budgets.getByRole("listitem").filter({ hasText: "Counted" });
  await expect(row.getByText("5 used, 0 left")).toBeVisible();
  await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
  await page.setViewportSize({ width: 390, height: 844 });
  await expectAccessible(page);
  expect(await overflow(page)).toBe(0);
  const matters = page.getByRole("list", { name: "What needs attention" }).getByRole("listitem");
  const matter = matters.filter({ has: page.locator(`a[href="/admin/projects/${project.id}"]`) });
  await expect(matter.getByText("is used up, and starts again")).toBeVisible();
  await matter.getByRole("link", { name: "raise the limit" }).click();
  await expect(page.getByRole("dialog", { name: "Edit project" })).toBeVisible();
  await expect(page.getByRole("group", { name: "Limit 1" })).toBeVisible();
});

test("the tester says how many requests at once would pass, and what they reserve", async ({ page, request }) => {
  const management = new Management(request);
  await management.serve(MODEL);
  const project = await management.project("Foreseen");
  const token = await management.token(project.id, "foreseen");
  const limits = [{ measure: "requests", amount: 5, period: "hour" }, { measure: "tokens", amount: 100_000, period: "total" }];
  await management.patch(`tokens/${token.id}`, { limits, update_mask: "limits" });
  await signIn(page, `/tester?path=/v1/chat/completions&model=${MODEL}&token=${token.id}`);
  const reserves = page.getByRole("region", { name: "What it reserves" });
  await expect(reserves.getByRole("row").filter({ hasText: "5 requests an hour" })).toContainText("of the token foreseen154");
  await page.getByText("Its size, for limits").click();
  await page.getByLabel("Prompt, in bytes").fill("1000");
  await page.getByLabel("Answer's maximum, in tokens").fill("500");
  await page.getByLabel("Calls at once").fill("8");
  await page.getByRole("button", { name: "Explain" }).click();
  await expect(reserves.getByText("5 of 8 such requests at once would be admitted.")).toBeVisible();
  await expect(reserves.getByRole("row").filter({ hasText: "5 requests an hour" })).toContainText("after 5: passes at");
  await expect(page.getByText("It would be refused with status 429, insufficient_quota")).toBeVisible();
  await expectAccessible(page);
  await page.reload();
  await expect(page.getByLabel("Calls at once")).toHaveValue("8");
});

test("revisions tell limits in words", async ({ page, request }) => {
  const management = new Management(request);
  const project = await management.project("Worded");
  const limits = [{ measure: "money", amount: 25_000_000_000, period: "month", zone: "Europe/Berlin" }];
  await management.patch(`projects/${project.id}`, { limits, update_mask: "limits" });
  const [latest] = await management.get<{ revision: string | number }[]>("revisions?page_size=1");
  const to = Number(latest?.revision);
  await signIn(page, `/settings?tab=revisions&from=${to - 1}&to=${to}`);
  await expect(page.getByRole("article", { name: "project Worded" }).getByText("$25.00 a month, Europe/Berlin")).toBeVisible();
});
