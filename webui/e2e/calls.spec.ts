import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { dataUrl, expect, test } from "./gateway";
import { call, Management, signIn } from "./management";

const MODEL = "calls-model";
const SLOW = { timeout: 30_000 };
const AT_ONCE = 8;
const only = (name: string, ...values: string[]) => `${name}=${encodeURIComponent(JSON.stringify(values))}`;

/** Call the gateway many times, a few at once. */
async function load(secret: string, times: number): Promise<void> {
  let left = times;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) expect(await call(`${dataUrl}/v1`, secret, MODEL)).toBe(200);
    }),
  );
}

/** Return how many calls the gateway left out of the tail; it says so where there are any. */
async function droppedOn(page: Page): Promise<number> {
  const said = await page.getByRole("status").filter({ hasText: "dropped" }).allTextContents();
  return Number(/([\d,]+) dropped/.exec(said[0] ?? "")?.[1]?.replaceAll(",", "") ?? 0);
}

test("the live tail shows what its filter takes, and nothing else, while hundreds of calls pass", async ({ page, request }) => {
  test.slow();
  const management = new Management(request);
  await management.serve(MODEL);
  const project = await management.project("Live tail");
  const wanted = await management.token(project.id, "wanted");
  const loud = await management.token(project.id, "loud");
  await signIn(page, `/calls?live=true&${only("token", wanted.id)}`);
  await expect(page.getByText("live", { exact: true })).toBeVisible();
  await expect(page.getByText("Nothing matches")).toBeVisible();

  await Promise.all([load(loud.token, 400), load(wanted.token, 40)]);
  const table = page.getByRole("table", { name: "Live calls" });
  const rows = table.getByRole("row").filter({ has: page.getByRole("cell") });
  await expect.poll(async () => (await rows.count()) + (await droppedOn(page)), SLOW).toBe(40);
  await expect(table.getByText("loud")).toHaveCount(0);
  const shown = await rows.count();
  await expect(rows.filter({ hasText: "wanted" })).toHaveCount(shown);

  // While it is paused nothing moves; what came is counted, and shown when somebody asks for it.
  await page.getByRole("button", { name: "Pause" }).click();
  await Promise.all([load(loud.token, 50), load(wanted.token, 5)]);
  const pill = page.getByRole("button", { name: "5 new" });
  await expect(pill).toBeVisible(SLOW);
  await expect(rows).toHaveCount(shown);
  await pill.click();
  await expect(rows).toHaveCount(shown + 5);
  await expect(page.getByRole("button", { name: "Pause" })).toBeVisible();

  // Who has scrolled away reads on undisturbed.
  await page.getByRole("row").last().scrollIntoViewIfNeeded();
  await load(wanted.token, 3);
  await expect(page.getByRole("button", { name: "3 new" })).toBeVisible(SLOW);
  await expect(rows).toHaveCount(shown + 5);
});

test("a call tells its story: who was asked in vain, who answered, and when", async ({ page, request }) => {
  const management = new Management(request);
  await management.serve(MODEL);
  await management.post("upstreams", { name: "calls-broken", provider: "openai", base_url: "http://127.0.0.1:9/v1", api_key: "sk-broken" });
  await management.post("models", { name: "calls-steady", deployments: [{ upstream: "calls-broken" }], fallbacks: [MODEL] });
  const project = await management.project("Stories");
  const { id, token } = await management.token(project.id, "teller");
  expect(await call(`${dataUrl}/v1`, token, "calls-steady")).toBe(200);

  await signIn(page, `/calls?range=1h&${only("token", id)}`);
  const row = page.getByRole("table", { name: "Calls" }).getByRole("row").nth(1);
  await expect(async () => {
    await page.reload();
    await expect(row).toBeVisible({ timeout: 2_000 });
  }).toPass(SLOW);
  await expect(row).toContainText(`calls-steady → ${MODEL}`);
  await expect(row).toContainText("calls-broken unreachable");
  await expect(row).toContainText(`${MODEL} 200`);

  await row.getByRole("link").first().click();
  await expect(page).toHaveURL(/call=req_/);
  const drawer = page.getByRole("dialog", { name: "Call" });
  const attempts = drawer.getByRole("region", { name: "Attempts and time" }).getByRole("listitem");
  await expect(attempts.nth(0)).toContainText("calls-broken");
  await expect(attempts.nth(0)).toContainText("No connection to the upstream could be made");
  await expect(attempts.nth(1)).toContainText(MODEL);
  await expect(attempts.nth(1)).toContainText("200");
  await expect(drawer.getByText("exact: the upstream's own counts")).toBeVisible();
  await expect(drawer.getByText("Bodies are not kept")).toBeVisible();
  await expect(drawer.getByRole("button", { name: "Copy the request id" })).toBeVisible();
  await expect(drawer.getByRole("link", { name: "Stories" })).toHaveAttribute("href", new RegExp(`/projects/${project.id}`));
  await expect(drawer.getByRole("link", { name: "Try it in the playground" })).toHaveAttribute("href", /model=calls-steady/);
  const tester = new URL((await drawer.getByRole("link", { name: "Explain its way" }).getAttribute("href")) ?? "", page.url());
  expect(tester.pathname).toBe("/admin/tester");
  expect(Object.fromEntries(tester.searchParams)).toMatchObject({ method: "POST", path: "/v1/chat/completions", model: "calls-steady", token: id });

  await page.reload();
  await expect(drawer.getByText("Bodies are not kept")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(drawer).toBeHidden();
  await expect(page).not.toHaveURL(/call=/);
});

test("filters stay at a reload, and are cleared where nothing matches", async ({ page, request }) => {
  const management = new Management(request);
  await management.serve(MODEL);
  const project = await management.project("Filters");
  const { token } = await management.token(project.id, "filtered");
  await call(`${dataUrl}/v1`, token, MODEL);
  await signIn(page, "/calls");
  await page.getByRole("button", { name: "Filters" }).click();
  await page.getByLabel("Projects").first().click();
  await page.getByLabel("Projects").first().fill("Filters");
  await page.getByRole("option", { name: "Filters" }).click();
  await page.keyboard.press("Escape");
  await page.getByLabel("Errors").first().fill("draining");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Nothing matches")).toBeVisible();
  await page.reload();
  await expect(page.getByRole("button", { name: "Filters (2)" })).toBeVisible();
  await expect(page.getByRole("group", { name: "Filters" }).getByText("Filters", { exact: true })).toBeVisible();
  await expect(page.getByText("Nothing matches")).toBeVisible();
  await page.getByRole("button", { name: "Clear filters" }).last().click();
  await expect(page.getByRole("button", { name: "Filters", exact: true })).toBeVisible();
  await expect(page).not.toHaveURL(/project=|error=/);
});

for (const colorScheme of ["light", "dark"] as const)
  test(`the live tail has nothing serious for axe, ${colorScheme}`, async ({ page, request }) => {
    test.slow();
    const management = new Management(request);
    await management.serve(MODEL);
    const project = await management.project(`Axe of calls, ${colorScheme}`);
    const { token } = await management.token(project.id, "axe");
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await signIn(page, `/calls?live=true&${only("project", project.id)}`);
    await expect(page.getByText("live", { exact: true })).toBeVisible();
    await load(token, 3);
    await expect(page.getByRole("table", { name: "Live calls" }).getByRole("row").nth(3)).toBeVisible(SLOW);
    await page.getByText("Table", { exact: true }).click();
    await expect(page.getByRole("table", { name: "Calls per second" })).toBeVisible();
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.filter((it) => it.impact === "serious" || it.impact === "critical").map((it) => [it.id, it.nodes.map((node) => node.html)])).toEqual([]);
  });
