import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { failReads } from "./failing-reads";
import { expect, firstConsoleUrl, managementToken, simulatorUrl, test } from "./gateway";
import { call, signIn } from "./management";

test.use({ baseURL: firstConsoleUrl });
// Each needs what the one before it left.
test.describe.configure({ mode: "serial" });

const GRAVE = ["serious", "critical"];

/** The step that is next, by its label, on a page that has nothing grave for axe. */
async function expectNext(page: Page, label: string): Promise<void> {
  await expect(page.getByRole("list", { name: "First steps" }).locator("[aria-current=step]")).toContainText(label);
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect.soft(violations.filter((it) => GRAVE.includes(it.impact ?? "")).map((it) => [it.id, it.nodes.map((node) => node.html)]), label).toEqual([]);
}

test("from a gateway with nothing in it to a first call, seen live", async ({ page, context }) => {
  test.slow();
  // Colours that are on their way from one to another are none that axe is to judge.
  await page.emulateMedia({ reducedMotion: "reduce" });
  await signIn(page);
  await expectNext(page, "Connect an upstream");
  await page.getByRole("link", { name: "Add an upstream" }).click();

  const upstream = page.getByRole("dialog", { name: "New upstream" });
  await upstream.getByText("OpenAI", { exact: true }).click();
  await upstream.getByRole("textbox", { name: "Name" }).first().fill("simulated");
  await upstream.getByLabel("Base URL").fill(`${simulatorUrl}/v1`);
  await upstream.getByLabel("API key").fill("sk-first-run");
  await upstream.getByRole("switch", { name: "Default" }).check({ force: true });
  await upstream.getByRole("button", { name: "Test" }).click();
  await expect(upstream.getByText("The test passed")).toBeVisible();
  await upstream.getByRole("button", { name: "Create" }).click();
  await expect(upstream).toBeHidden();
  // Whose page it leads to.
  await expect(page.getByRole("heading", { name: "simulated", level: 2 })).toBeVisible();

  await page.keyboard.press("g");
  await page.keyboard.press("o");
  await expect(page.getByText("simulated is connected.")).toBeVisible();
  await expectNext(page, "Name a model");
  // What the upstream has is named by one click.
  await page.getByRole("link", { name: "gpt-4o-mini", exact: true }).click();
  const model = page.getByRole("dialog", { name: "New model" });
  await expect(model.getByRole("textbox", { name: "Name" }).first()).toHaveValue("gpt-4o-mini");
  await model.getByRole("button", { name: "Create" }).click();
  await expect(model).toBeHidden();
  await expect(page.getByRole("heading", { name: "gpt-4o-mini", level: 2 })).toBeVisible();

  await page.getByRole("link", { name: "Overview", exact: true }).click();
  await expect(page.getByText("gpt-4o-mini is served.")).toBeVisible();
  await expectNext(page, "Make a project");
  await page.getByRole("link", { name: "Make a project" }).click();
  const project = page.getByRole("dialog", { name: "New project" });
  await project.getByRole("textbox", { name: "Name" }).first().fill("First project");
  await project.getByRole("button", { name: "Create" }).click();
  await expect(project).toBeHidden();
  await expect(page.getByText("First project").first()).toBeVisible();

  await page.getByRole("link", { name: "Overview", exact: true }).click();
  await expectNext(page, "Make a token");
  // Who tries the playground first is led there, too.
  await page.getByRole("link", { name: "Playground", exact: true }).click();
  await expect(page.getByRole("heading", { name: "No token yet" })).toBeVisible();
  await page.getByRole("link", { name: "Make a token" }).click();
  const token = page.getByRole("dialog", { name: "New token" });
  // The only project is chosen.
  await expect(token.getByRole("combobox", { name: "Project" })).toHaveValue("First project");
  await expect(token.getByLabel("Name", { exact: true })).toBeFocused();
  await token.getByLabel("Name", { exact: true }).fill("first");
  await token.getByRole("button", { name: "Create" }).click();
  const shown = page.getByRole("dialog", { name: "The token" });
  const secret = await shown.getByTestId("secret").innerText();
  const baseUrl = /curl (\S+)\/chat\/completions/.exec(await shown.getByRole("tabpanel").innerText())?.[1] ?? "";
  await shown.getByRole("button", { name: "I stored it" }).click();

  await page.getByRole("link", { name: "Overview", exact: true }).click();
  const waiting = page.getByText("Waiting for the first call.");
  await expect(waiting).toBeVisible();
  await expectNext(page, "See the first call");
  await expect(page.getByRole("tabpanel").getByText('"model":"gpt-4o-mini"')).toBeVisible();
  // Neither a list of models nor a call that fails is the first call. The one that fails is told.
  expect((await fetch(`${baseUrl}/models`, { headers: { authorization: `Bearer ${secret}` } })).status).toBe(200);
  expect(await call(baseUrl, secret, "nobody-serves-this")).toBe(404);
  await expect(page.getByText("model_not_found")).toBeVisible();
  await expect(page.getByRole("link", { name: "See why" })).toHaveAttribute("href", /\/calls\?call=req_/);
  await expect(waiting).toBeVisible();

  expect(await call(baseUrl, secret, "gpt-4o-mini")).toBe(200);
  await expect(waiting).toBeHidden();
  await expect(page.getByRole("heading", { name: "Needs attention" })).toBeVisible();
  // Before the page would ask again: the figures have the call from their first moment on.
  await expect(page.getByRole("link", { name: /^Requests ?3/ })).toBeVisible({ timeout: 10_000 });
  await page.getByRole("link", { name: "See the call" }).click();
  await expect(page.getByRole("dialog", { name: "Call" }).getByText("gpt-4o-mini").first()).toBeVisible();
  expect(context.pages()).toHaveLength(1);
});

test("what was read stays while it can't be read again", async ({ page }) => {
  await page.clock.install();
  await signIn(page);
  const requests = page.getByRole("link", { name: /^Requests ?[1-9]/ });
  await expect(requests).toBeVisible();
  const chart = page.getByRole("region", { name: "Requests", exact: true });
  await expect(chart).toBeVisible();
  await failReads(page, "UsageService/SummarizeUsage");
  // A range ends with the minute: what is asked in the next one is another question.
  await page.clock.fastForward("01:30");
  await expect(page.getByText("The usage can't be read")).toBeVisible();
  await expect(page.getByText("The traffic can't be read")).toBeVisible();
  await expect(requests).toBeVisible();
  await expect(chart).toBeVisible();
});

test("after some wrong tokens the next has to wait, also if it is the right one", async ({ page }) => {
  await page.goto("/admin/");
  const field = page.getByLabel("Management token");
  const limited = page.getByText(/^Too many attempts\. Try again in \d+ seconds\.$/);
  for (let attempt = 0; attempt < 12 && !(await limited.isVisible()); attempt++) {
    await field.fill(`wrong ${attempt}`);
    const answered = page.waitForResponse("**/admin/session");
    await page.keyboard.press("Enter");
    await answered;
    await expect(page.getByRole("alert")).toBeVisible();
  }
  await expect(limited).toBeVisible();
  await field.fill(managementToken);
  await page.keyboard.press("Enter");
  await expect(limited).toBeVisible();
});
