import AxeBuilder from "@axe-core/playwright";
import type { Locator, Page } from "@playwright/test";
import { expect, test } from "./gateway";
import { Management, signIn } from "./management";
import { freeAddress } from "./ports";

interface Limited {
  limits: { measure: string; amount: string | number; burst?: string | number; period?: string; zone?: string }[];
}

/** Choose from a list that opens below an input. */
async function choose(form: Locator, label: string, choice: string): Promise<void> {
  await form.getByRole("combobox", { name: label }).click();
  await form.page().getByRole("option", { name: choice, exact: true }).click();
}

async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const grave = violations.filter((it) => it.impact === "serious" || it.impact === "critical");
  expect.soft(grave.map((it) => [it.id, it.nodes.map((node) => node.html)])).toEqual([]);
}

const overflow = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

test("a token gets a budget in dollars, which shows in words, is changed, and is removed", async ({ page, request }) => {
  test.slow();
  const management = new Management(request);
  const project = await management.project("Budgets");
  const { id } = await management.token(project.id, "spender");
  const stored = async () => (await management.get<Limited>(`tokens/${id}`)).limits.map((it) => ({ ...it, amount: String(it.amount) }));
  await signIn(page, `/tokens/${id}`);
  const shown = page.getByRole("region", { name: "Limits" });
  await expect(shown.getByText("Rates and budgets of the token: none.")).toBeVisible();
  await page.getByRole("button", { name: "Edit" }).click();
  const drawer = page.getByRole("dialog", { name: "Edit token" });
  await drawer.getByRole("button", { name: "Add a limit" }).click();
  const budget = drawer.getByRole("group", { name: "Limit 1" });
  await expect(budget.getByLabel("Dollars")).toBeFocused();

  // What is no amount is found here, a zone that does not exist by the server: each stands at its field.
  await budget.getByLabel("Dollars").fill("1,5");
  await drawer.getByRole("button", { name: "Save" }).click();
  await expect(budget.getByLabel("Dollars")).toHaveAccessibleDescription(/give dollars/);
  await budget.getByLabel("Dollars").fill("0.29");
  await budget.getByLabel("Time zone").fill("Europe/Atlantis");
  await drawer.getByRole("button", { name: "Save" }).click();
  await expect(budget.getByLabel("Time zone")).toHaveAccessibleDescription(/IANA/);
  await expect(budget.getByLabel("Time zone")).toBeFocused();
  await budget.getByLabel("Time zone").fill("Europe/Berlin");
  await drawer.getByRole("button", { name: "Add a limit" }).click();
  const rate = drawer.getByRole("group", { name: "Limit 2" });
  await choose(rate, "Measure", "Requests a minute");
  await rate.getByLabel("Requests a minute").fill("60");
  await rate.getByLabel("Burst").fill("120");
  await expectAccessible(page);
  await drawer.getByRole("button", { name: "Save" }).click();
  await expect(drawer).toBeHidden();
  await expect(shown.getByText("$0.29 a month, Europe/Berlin")).toBeVisible();
  await expect(shown.getByText("60 requests a minute, burst 120")).toBeVisible();
  expect((await stored()).find((it) => it.zone === "Europe/Berlin")?.amount).toBe("290000000");
  await expectAccessible(page);

  await page.getByRole("button", { name: "Edit" }).click();
  await expect(budget.getByLabel("Dollars")).toHaveValue("0.29");
  await budget.getByLabel("Dollars").fill("1,000.000000001");
  await choose(budget, "Period", "In total, once");
  await expect(budget.getByLabel("Time zone")).toBeHidden();
  await drawer.getByRole("button", { name: "Save" }).click();
  await expect(drawer).toBeHidden();
  await expect(shown.getByText("$1,000.000000001 in total")).toBeVisible();
  expect((await stored()).map((it) => it.amount)).toContain("1000000000001");

  await page.getByRole("button", { name: "Edit" }).click();
  await drawer.getByRole("button", { name: "Remove limit 1" }).click();
  await expect(drawer.getByRole("button", { name: "Add a limit" })).toBeFocused();
  await drawer.getByRole("button", { name: "Save" }).click();
  await expect(drawer).toBeHidden();
  await expect(shown.getByText("in total")).toBeHidden();
  await expect(shown.getByText("60 requests a minute, burst 120")).toBeVisible();
  expect(await stored()).toHaveLength(1);
});

test("a budget that two people change shows both, and that of a new token is set with it", async ({ page, request }) => {
  test.slow();
  const management = new Management(request);
  const project = await management.project("Shared budgets");
  await signIn(page, `/tokens?project=${project.id}&act=new`);
  const made = page.getByRole("dialog", { name: "New token" });
  await made.getByLabel("Name", { exact: true }).fill("born limited");
  await made.getByRole("button", { name: "Add a limit" }).click();
  await made.getByLabel("Dollars").fill("$25");
  await made.getByRole("button", { name: "Create" }).click();
  await page.getByRole("dialog", { name: "The token" }).getByRole("button", { name: "I stored it" }).click();
  await page.getByRole("link", { name: "born limited" }).click();
  await expect(page.getByText("$25.00 a month, UTC")).toBeVisible();

  await page.getByRole("button", { name: "Edit" }).click();
  const drawer = page.getByRole("dialog", { name: "Edit token" });
  await drawer.getByLabel("Dollars").fill("30");
  const id = /tokens\/([^/?]+)/.exec(page.url())?.[1] ?? "";
  await management.patch(`tokens/${id}`, { limits: [{ measure: "money", amount: 40_000_000_000, period: "month" }], update_mask: "limits" });
  await drawer.getByRole("button", { name: "Save" }).click();
  const differences = drawer.getByRole("table", { name: "Differences" });
  await expect(differences.getByRole("row", { name: "limits $40.00 a month, UTC $30.00 a month, UTC" })).toBeVisible();
  await drawer.getByRole("button", { name: "Store mine over it" }).click();
  await expect(drawer).toBeHidden();
  await expect(page.getByText("$30.00 a month, UTC")).toBeVisible();
});

test("the gateway has limits of its own, and a phone shows them whole", async ({ page, request }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
  await signIn(page, "/settings?tab=limits");
  await expect(page.getByText("Limits of all requests together: none.")).toBeVisible();
  await page.getByRole("button", { name: "Edit" }).click();
  const drawer = page.getByRole("dialog", { name: "Edit the gateway's limits" });
  await drawer.getByRole("button", { name: "Add a limit" }).click();
  await choose(drawer, "Measure", "Budget of tokens");
  await drawer.getByRole("textbox", { name: "Tokens" }).fill("9,000,000,000");
  await choose(drawer, "Period", "Day");
  await expectAccessible(page);
  expect(await overflow(page)).toBe(0);
  await drawer.getByRole("button", { name: "Save" }).click();
  await expect(drawer).toBeHidden();
  await expect(page.getByText("9,000,000,000 tokens a day, UTC")).toBeVisible();
  await expect(page.getByRole("table", { name: "History" }).or(page.getByRole("list", { name: "History" }))).toBeVisible();
  await expectAccessible(page);
  expect(await overflow(page)).toBe(0);

  // Other tests share the gateway.
  await page.getByRole("button", { name: "Edit" }).click();
  await drawer.getByRole("button", { name: "Remove limit 1" }).click();
  await drawer.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Limits of all requests together: none.")).toBeVisible();
  expect((await new Management(request).get<Partial<Limited>>("gateway")).limits ?? []).toEqual([]);
});

test("projects, models and listeners are limited by the same fields", async ({ page, request }) => {
  test.slow();
  const management = new Management(request);
  await management.serve("limited-spec");
  const project = await management.project("Limited");
  await management.post("groups", { name: "limited-spec", members: [{ upstream: "limited-spec" }] });
  await management.post("listeners", { name: "limited-spec", address: await freeAddress(), default_group: "limited-spec" });
  await signIn(page);
  for (const path of [`projects/${project.id}`, "models/limited-spec", "listeners/limited-spec"]) {
    await page.goto(`/admin/${path}?act=edit`);
    const drawer = page.getByRole("dialog");
    await drawer.getByRole("button", { name: "Add a limit" }).click();
    await choose(drawer, "Measure", "Requests at once");
    await drawer.getByLabel("Requests at once").fill("4");
    await drawer.getByRole("button", { name: "Save" }).click();
    await expect(drawer).toBeHidden();
    await expect(page.getByText("4 requests at once")).toBeVisible();
    const { limits } = await management.get<Limited>(path);
    expect(limits.map((it) => [it.measure, Number(it.amount)]), path).toEqual([["concurrent_requests", 4]]);
  }
});
