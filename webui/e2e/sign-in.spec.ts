import { expect, managementToken, test } from "./gateway";
import { goOnSignedOut, Management, signIn } from "./management";

test("a wrong token is refused, and the right one leads to where the address said @tls", async ({ page }) => {
  await page.goto("/admin/tokens?q=needle&zone=UTC");
  const field = page.getByLabel("Management token");
  await expect(field).toBeFocused();
  await field.fill("not the token");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toHaveText("This is not the management token.");
  await field.fill(managementToken);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 2, name: "Tokens" })).toBeVisible();
  await expect(page).toHaveURL(/\/admin\/tokens\?q=needle&zone=UTC$/);
  await expect(page.getByRole("textbox", { name: "Search" })).toHaveValue("needle");
});

test("the token is nowhere in the browser, and no script can read the cookie @tls", async ({ page, context }) => {
  await signIn(page);
  const kept = await page.evaluate(() => JSON.stringify([location.href, { ...localStorage }, { ...sessionStorage }, document.cookie]));
  expect(kept).not.toContain(managementToken);
  const cookies = await context.cookies();
  expect(cookies).toHaveLength(1);
  expect(cookies[0]).toMatchObject({ httpOnly: true, secure: page.url().startsWith("https:"), sameSite: "Lax" });
  expect(cookies[0]?.value).not.toContain(managementToken);
});

test("a session that ends under an open page leads to the sign-in, and back to the same address", async ({ page, context }) => {
  await signIn(page, "/usage?zone=UTC");
  const address = page.url();
  await context.clearCookies();
  await goOnSignedOut(page, "link", "Projects");
  if (page.url() !== address) await page.goBack();
  await page.getByLabel("Management token").fill(managementToken);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { level: 2, name: "Usage" })).toBeVisible();
  expect(page.url()).toBe(address);
});

test("what was typed into a form is still there after a session ended and the next began", async ({ page, context, request }) => {
  const management = new Management(request);
  await signIn(page, "/projects?act=new");
  const drawer = page.locator("[role=dialog]").filter({ hasText: "New project" });
  await drawer.getByLabel("Name").fill("Typed before the end");
  await drawer.getByLabel("Description").fill("A long text that nobody likes to type twice.");
  await drawer.getByLabel("OpenAI API key").fill("sk-typed-before-the-end");
  await context.clearCookies();
  await drawer.getByRole("button", { name: "Create" }).click();
  const again = page.getByRole("dialog", { name: "The session has ended" });
  await expect(again.getByLabel("Management token")).toBeFocused();
  // What closes a form does not close the one that is covered.
  await page.keyboard.press("Escape");
  const kept = await page.evaluate(() => JSON.stringify([location.href, { ...localStorage }, { ...sessionStorage }, document.cookie]));
  expect(kept).not.toContain("typed-before");
  await again.getByLabel("Management token").fill(managementToken);
  await page.keyboard.press("Enter");
  await expect(again).toHaveCount(0);
  await expect(drawer.getByLabel("Name")).toHaveValue("Typed before the end");
  await expect(drawer.getByLabel("Description")).toHaveValue("A long text that nobody likes to type twice.");
  await expect(drawer.getByLabel("OpenAI API key")).toHaveValue("sk-typed-before-the-end");
  await drawer.getByRole("button", { name: "Create" }).click();
  await expect(page.getByRole("heading", { level: 2, name: "Typed before the end" })).toBeVisible();
  expect(await management.get<unknown[]>("projects?search=typed%20before%20the%20end")).toHaveLength(1);
});

test("who leaves a page whose session has ended leaves nothing of it", async ({ page, context }) => {
  await signIn(page, "/projects?act=new");
  await page.getByRole("dialog", { name: "New project" }).getByLabel("Name").fill("Left behind");
  await context.clearCookies();
  await page.getByRole("dialog", { name: "New project" }).getByRole("button", { name: "Create" }).click();
  await page.getByRole("button", { name: "Leave the page" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Tollkeeper" })).toBeVisible();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  expect(await page.content()).not.toContain("Left behind");
});

test("who signs out is signed out in every tab, at its next question", async ({ page, context }) => {
  await signIn(page, "/tokens");
  const other = await context.newPage();
  await other.goto("/admin/projects");
  await expect(other.getByRole("heading", { level: 2, name: "Projects" })).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("Management token")).toBeVisible();
  // It may have asked already, and have no such link.
  await other.evaluate(() => document.querySelector<HTMLElement>('a[href="/admin/models"]')?.click());
  await expect(other.getByLabel("Management token")).toBeVisible();
});

test("log out everywhere ends the session of another browser", async ({ page, anotherBrowser }) => {
  const other = await (await anotherBrowser()).newPage();
  await signIn(other, "/upstreams");
  await signIn(page, "/settings?tab=sessions");
  await page.getByRole("button", { name: "Log out everywhere" }).click();
  const dialog = page.getByRole("dialog", { name: "Log out everywhere" });
  await dialog.getByRole("textbox").fill("everywhere");
  await dialog.getByRole("button", { name: "Log out everywhere" }).click();
  await expect(page.getByLabel("Management token")).toBeVisible();
  await other.evaluate(() => document.querySelector<HTMLElement>('a[href="/admin/models"]')?.click());
  await expect(other.getByLabel("Management token")).toBeVisible();
});
