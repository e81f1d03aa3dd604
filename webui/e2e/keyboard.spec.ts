import type { Page } from "@playwright/test";
import { expect, managementToken, test } from "./gateway";
import { Management, signIn } from "./management";

const MOST = 60;

/** Press Tab until the focused element has this name. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let presses = 0; presses < MOST; presses++) {
    const focused = page.locator(":focus");
    const text = (await focused.count()) === 0 ? "" : await focused.evaluate((it) => it.getAttribute("aria-label") ?? it.textContent ?? "");
    if (name.test(text.trim())) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not lead to ${String(name)}`);
}

test("keys alone lead from the sign-in to a new token, and its secret is closed by them", async ({ page, request }, info) => {
  const called = `Keys alone ${info.workerIndex}-${info.retry}`;
  const project = await new Management(request).project(called);
  await page.goto("/admin/");
  await expect(page.getByLabel("Management token")).toBeFocused();
  await page.keyboard.type(managementToken);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 2, name: "Overview" })).toBeVisible();
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await expect(page.getByRole("heading", { level: 2, name: "Tokens" })).toBeFocused();
  await tabTo(page, /^New token$/);
  await page.keyboard.press("Enter");
  const drawer = page.getByRole("dialog", { name: "New token" });
  await expect(drawer.locator(":focus")).toHaveCount(1);
  const field = drawer.getByRole("combobox", { name: "Project" });
  for (let presses = 0; presses < MOST && !(await field.evaluate((it) => it === document.activeElement)); presses++)
    await page.keyboard.press("Shift+Tab");
  await page.keyboard.type(called);
  await expect(page.getByRole("option", { name: called })).toBeVisible();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await expect(field).toHaveValue(called);
  const name = drawer.getByLabel("Name", { exact: true });
  for (let presses = 0; presses < MOST && !(await name.evaluate((it) => it === document.activeElement)); presses++)
    await page.keyboard.press("Tab");
  await page.keyboard.type("typed");
  await page.keyboard.press("Enter");
  const shown = page.getByRole("dialog", { name: "The token" });
  await expect(shown).toBeVisible();
  await tabTo(page, /^I stored it$/);
  await page.keyboard.press("Enter");
  await expect(shown).toBeHidden();
  await expect(page.getByRole("link", { name: "typed" })).toBeVisible();
  const tokens = await new Management(request).get<unknown[]>(`tokens?project_id=${project.id}`);
  expect(tokens).toHaveLength(1);
});

test("what was typed into a form is discarded by Esc, close or back only after a question", async ({ page }) => {
  await signIn(page, "/models");
  await page.getByRole("link", { name: "Upstreams" }).first().click();
  await page.getByRole("button", { name: "New upstream" }).first().click();
  const form = page.getByRole("dialog", { name: "New upstream" });
  await expect(form).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(form).toBeHidden();
  const create = page.getByRole("button", { name: "New upstream" }).first();
  await page.locator("body").press("n");
  await expect(form).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(form).toBeHidden();
  await expect(create).toBeFocused();

  await page.getByRole("button", { name: "New upstream" }).first().click();
  const name = form.getByRole("textbox", { name: /^Name/ });
  await name.fill("half-typed");
  const question = page.getByRole("dialog", { name: "Discard what was typed?" });
  for (const close of [() => page.keyboard.press("Escape"), () => form.getByRole("button", { name: "Close" }).click(), () => page.goBack()]) {
    await close();
    await expect(question).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(question).toBeHidden();
    await expect(name).toHaveValue("half-typed");
    await expect(form.locator(":focus")).toHaveCount(1);
  }
  await page.goBack();
  await question.getByRole("button", { name: "Discard" }).click();
  await expect(form).toBeHidden();
  await expect(page.getByRole("heading", { level: 2, name: "Upstreams" })).toBeVisible();
});

test("the palette takes what is typed at once, also when it is opened again", async ({ page, request }, info) => {
  const project = await new Management(request).project(`nimble ${info.workerIndex}-${info.retry}`);
  await signIn(page, "/tokens");
  await expect(page.getByRole("heading", { level: 2, name: "Tokens" })).toBeVisible();
  const input = page.getByRole("textbox", { name: "Go to", exact: true });
  for (const typed of ["nimble", "new", "overview"]) {
    await page.keyboard.press("Control+k");
    await page.keyboard.type(typed);
    await expect(input).toHaveValue(typed);
    await expect(page.getByRole("dialog")).toHaveCount(1);
    await page.keyboard.press("Escape");
  }
  await page.keyboard.press("Control+k");
  await page.keyboard.type(project.name);
  await page.getByRole("button", { name: project.name }).click();
  await expect(page).toHaveURL(new RegExp(`/projects/${project.id}`));
});
