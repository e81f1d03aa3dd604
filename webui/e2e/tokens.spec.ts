import type { Page } from "@playwright/test";
import { failReads } from "./failing-reads";
import { dataUrl, expect, test } from "./gateway";
import { call, Management, signIn } from "./management";

const MODEL = "tokens-spec";
const OTHER_MODEL = "not-allowed-spec";

// Each goes through several pages, and some through two browsers.
test.slow();

test.beforeEach(async ({ request }) => {
  for (const model of [MODEL, OTHER_MODEL]) await new Management(request).serve(model);
});

/** The secret that the dialog shows, and the base URL that its first snippet calls. */
async function readSecret(page: Page): Promise<{ secret: string; baseUrl: string }> {
  const dialog = page.getByRole("dialog", { name: "The token" });
  const secret = await dialog.getByTestId("secret").innerText();
  const snippet = await dialog.getByRole("tabpanel").innerText();
  expect(snippet).toContain(secret);
  const baseUrl = /curl (\S+)\/chat\/completions/.exec(snippet)?.[1] ?? "";
  return { secret, baseUrl };
}

test("a token is minted, its secret shown once, and calls with it pass until it is revoked", async ({ page }) => {
  await signIn(page, "/projects");
  await page.getByRole("button", { name: "New project" }).first().click();
  const form = page.getByRole("dialog", { name: "New project" });
  await form.getByLabel("Name").fill("Minting");
  await form.getByRole("button", { name: "Create" }).click();
  await expect(page.getByRole("heading", { level: 2, name: "Minting" })).toBeVisible();

  await page.getByRole("link", { name: "New token" }).first().click();
  const drawer = page.getByRole("dialog", { name: "New token" });
  await expect(drawer.getByRole("combobox", { name: "Project" })).toHaveValue("Minting");
  await drawer.getByLabel("Name", { exact: true }).fill("shop");
  await drawer.getByLabel("Limit of requests").fill("100");
  await drawer.getByRole("button", { name: "7 days" }).click();
  await drawer.getByLabel("Allowed models").fill("tokens-*");
  await drawer.getByLabel("Allowed models").press("Enter");
  await drawer.getByRole("button", { name: "Create" }).click();

  const shown = page.getByRole("dialog", { name: "The token" });
  await expect(shown).toBeVisible();
  const { secret, baseUrl } = await readSecret(page);
  expect(baseUrl).toBe(`${dataUrl}/v1`);
  expect(await call(baseUrl, secret, MODEL)).toBe(200);
  expect(await call(baseUrl, secret, OTHER_MODEL)).toBe(403);

  await page.keyboard.press("Escape");
  await expect(shown).toBeVisible();
  await shown.getByRole("button", { name: "I stored it" }).click();
  await expect(shown).toBeHidden();
  expect(await page.content()).not.toContain(secret);
  expect(page.url()).not.toContain(secret);
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  expect(kept).not.toContain(secret);

  await page.getByRole("link", { name: "shop" }).click();
  await expect(page.getByRole("table", { name: "Recent calls" }).getByText("200")).toBeVisible({ timeout: 20_000 });
  await expect(page.getByText("1 of 100")).toBeVisible();
  await page.getByRole("button", { name: "Revoke…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke", exact: true }).click();
  await expect(page.getByText("This token is revoked")).toBeVisible();
  expect(await call(baseUrl, secret, MODEL)).toBe(401);
});

test("a rotated token has another secret, and the old one is refused", async ({ page, request }) => {
  const management = new Management(request);
  const project = await management.project("Rotation");
  const old = await management.token(project.id, "worker");
  await signIn(page, `/tokens/${old.id}`);
  await page.getByRole("button", { name: "Rotate…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Rotate", exact: true }).click();
  await expect(page.getByRole("dialog", { name: "The token" })).toBeVisible();
  const { secret, baseUrl } = await readSecret(page);
  expect(await call(baseUrl, secret, MODEL)).toBe(200);
  expect(await call(baseUrl, old.token, MODEL)).toBe(401);
});

test("a secret that is shown once, and an edit, outlive that the token can't be read again", async ({ page, request }) => {
  const management = new Management(request);
  const project = await management.project("Reads fail");
  const { id } = await management.token(project.id, "steady");
  const unread = page.getByText("The token can't be read");
  await page.clock.install();
  await signIn(page, `/tokens/${id}`);
  await page.getByRole("button", { name: "Rotate…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Rotate", exact: true }).click();
  const shown = page.getByRole("dialog", { name: "The token" });
  await expect(shown).toBeVisible();
  const { secret } = await readSecret(page);
  await failReads(page, "TokenService/GetToken");
  await page.clock.fastForward("00:30");
  await expect(unread).toBeAttached();
  await expect(shown.getByTestId("secret")).toHaveText(secret);
  await shown.getByRole("button", { name: "I stored it" }).click();
  await page.unrouteAll();

  await page.reload();
  await page.getByRole("button", { name: "Edit" }).click();
  const drawer = page.getByRole("dialog", { name: "Edit token" });
  await drawer.getByLabel("Description").fill("typed by hand");
  await failReads(page, "TokenService/GetToken");
  await page.clock.fastForward("00:30");
  await expect(unread).toBeAttached();
  await expect(drawer.getByLabel("Description")).toHaveValue("typed by hand");
});

test("two browsers that edit one token both see both versions, and nothing typed is lost", async ({ page, browser, request }) => {
  const management = new Management(request);
  const project = await management.project("Two browsers");
  const { id } = await management.token(project.id, "first name");
  const other = await (await browser.newContext()).newPage();
  for (const one of [page, other]) {
    await signIn(one, `/tokens/${id}?act=edit`);
    await expect(one.getByRole("dialog", { name: "Edit token" }).getByLabel("Name", { exact: true })).toHaveValue("first name");
  }
  const [mine, theirs] = [page.getByRole("dialog"), other.getByRole("dialog")];
  await theirs.getByLabel("Name", { exact: true }).fill("their name");
  await theirs.getByLabel("Limit of requests").fill("50");
  await theirs.getByRole("button", { name: "Save" }).click();
  await expect(theirs).toBeHidden();

  await mine.getByLabel("Name", { exact: true }).fill("my name");
  await mine.getByLabel("Description").fill("my words");
  await mine.getByRole("button", { name: "Save" }).click();
  await expect(mine.getByText("Somebody else changed this meanwhile")).toBeVisible();
  const differences = mine.getByRole("table", { name: "Differences" });
  await expect(differences.getByRole("row", { name: "name their name my name" })).toBeVisible();
  await expect(mine.getByLabel("Name", { exact: true })).toHaveValue("my name");
  await expect(mine.getByLabel("Description")).toHaveValue("my words");
  await mine.getByRole("button", { name: "Store mine over it" }).click();
  await expect(mine).toBeHidden();
  const stored = await management.get<{ name: string; description: string; max_requests: number }>(`tokens/${id}`);
  expect([stored.name, stored.description, Number(stored.max_requests)]).toEqual(["my name", "my words", 50]);
});

test("all tokens of a project are revoked once its name is typed", async ({ page, request }) => {
  const management = new Management(request);
  const project = await management.project("Revoked at once");
  const secrets = [];
  for (const name of ["one", "two", "three"]) secrets.push((await management.token(project.id, name)).token);
  await signIn(page, `/projects/${project.id}`);
  await page.getByRole("button", { name: "Revoke all tokens…" }).click();
  const dialog = page.getByRole("dialog", { name: "Revoke all tokens" });
  await expect(dialog.getByText("3 tokens of Revoked at once will be revoked")).toBeVisible();
  const confirm = dialog.getByRole("button", { name: "Revoke all" });
  await dialog.getByRole("textbox").fill("Revoked");
  await expect(confirm).toBeDisabled();
  await dialog.getByRole("textbox").fill("Revoked at once");
  await confirm.click();
  await expect(dialog).toBeHidden();
  await expect(page.getByRole("table", { name: "Tokens of the project" }).getByText("Revoked", { exact: true })).toHaveCount(3);
  for (const secret of secrets) expect(await call(`${dataUrl}/v1`, secret, MODEL)).toBe(401);
});

/** BatchRevokeTokensResponse in which one token is left, as bytes: `failed` is its third field. */
function oneLeft(id: string): Buffer {
  const text = (field: number, value: string) => Buffer.concat([Buffer.from([(field << 3) | 2, value.length]), Buffer.from(value)]);
  const failed = Buffer.concat([text(1, id), text(2, "STORE_UNAVAILABLE"), text(3, "the store can't be reached")]);
  return Buffer.concat([Buffer.from([(3 << 3) | 2, failed.length]), failed]);
}

test("selected tokens are revoked together, and what is left is tried again", async ({ page, request }) => {
  const management = new Management(request);
  const project = await management.project("Bulk");
  const made: { id: string }[] = [];
  for (const name of ["left", "right"]) made.push(await management.token(project.id, name));
  await signIn(page, `/tokens?project=${project.id}`);
  await page.getByLabel("All on this page").check();
  await expect(page.getByText("2 selected")).toBeVisible();
  // The store that fails for one of them is played by its answer.
  await page.route("**/tollkeeper.v1.TokenService/BatchRevokeTokens", (route) =>
    route.fulfill({ contentType: "application/proto", body: oneLeft(made[0]?.id ?? "") }), { times: 1 });
  await page.getByRole("button", { name: "Revoke 2…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Revoke 2" }).click();
  await expect(dialog.getByText("1 of 2 left, try again")).toBeVisible();
  await expect(dialog.getByText("the store can't be reached")).toBeVisible();
  await dialog.getByRole("button", { name: "Try again" }).click();
  await expect(dialog).toBeHidden();
  const left = await management.get<{ is_active: boolean }>(`tokens/${made[0]?.id}`);
  expect(left.is_active).toBe(false);
});

test("a token that was deactivated is active again by undo", async ({ page, request }) => {
  const management = new Management(request);
  const project = await management.project("Undo");
  const { id, token } = await management.token(project.id, "cron");
  await signIn(page, `/tokens/${id}`);
  await page.getByRole("button", { name: "Deactivate" }).click();
  await expect(page.getByText("This token is revoked")).toBeVisible();
  expect(await call(`${dataUrl}/v1`, token, MODEL)).toBe(401);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByText("This token is revoked")).toBeHidden();
  expect(await call(`${dataUrl}/v1`, token, MODEL)).toBe(200);
});

test("filters stay in the address, and no match is another state than no token", async ({ page, request }) => {
  const management = new Management(request);
  const project = await management.project("Filters");
  await management.token(project.id, "needle");
  await management.token(project.id, "hay");
  await signIn(page, `/tokens?project=${project.id}`);
  const table = page.getByRole("table", { name: "Tokens" });
  await expect(table.getByRole("row")).toHaveCount(3);
  await page.keyboard.press("/");
  await page.keyboard.type("need");
  await expect(table.getByRole("row")).toHaveCount(2);
  await page.reload();
  await expect(page.getByRole("textbox", { name: "Search" })).toHaveValue("need");
  await expect(table.getByRole("row")).toHaveCount(2);
  await page.getByRole("textbox", { name: "Search" }).fill("nothing has this");
  await expect(page.getByText("Nothing matches")).toBeVisible();
  await page.getByRole("button", { name: "Clear filters" }).click();
  await expect(page).not.toHaveURL(/[?&](q|project)=/);
  await expect(table.getByRole("link", { name: "needle" })).toBeVisible();
});

test("the keyboard alone leads from the list to a new token", async ({ page, request }) => {
  const project = await new Management(request).project("Keyboard");
  await signIn(page, `/tokens?project=${project.id}`);
  await expect(page.getByText("Nothing matches")).toBeVisible();
  await page.keyboard.press("n");
  const drawer = page.getByRole("dialog", { name: "New token" });
  await expect(drawer.getByLabel("Name", { exact: true })).toBeFocused();
  await page.keyboard.type("by keyboard");
  await page.keyboard.press("Enter");
  const shown = page.getByRole("dialog", { name: "The token" });
  await expect(shown).toBeVisible();
  const { secret, baseUrl } = await readSecret(page);
  expect(await call(baseUrl, secret, MODEL)).toBe(200);
  const stored = shown.getByRole("button", { name: "I stored it" });
  for (let presses = 0; presses < 12 && !(await stored.evaluate((it) => it === document.activeElement)); presses++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(shown).toBeHidden();
  await expect(page.getByRole("link", { name: "by keyboard" })).toBeVisible();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 2, name: "by keyboard" })).toBeVisible();
});

test("on a phone tokens are cards, a token can be made, and nothing is wider than the screen", async ({ page, request }) => {
  const project = await new Management(request).project("Phone");
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, `/tokens?project=${project.id}&act=new`);
  const drawer = page.getByRole("dialog", { name: "New token" });
  await drawer.getByLabel("Name", { exact: true }).fill("pocket");
  await drawer.getByRole("button", { name: "Create" }).click();
  await page.getByRole("dialog", { name: "The token" }).getByRole("button", { name: "I stored it" }).click();
  const card = page.getByRole("list", { name: "Tokens" }).getByRole("listitem");
  await expect(card).toHaveCount(1);
  const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(await overflow()).toBe(0);
  await card.getByRole("button", { name: "Open" }).click();
  await expect(page.getByRole("heading", { level: 2, name: "pocket" })).toBeVisible();
  await expect(page.getByRole("heading", { level: 3, name: "Use it" })).toBeVisible();
  expect(await overflow()).toBe(0);
});
