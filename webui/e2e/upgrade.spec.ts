import { expect, test } from "./gateway";
import { signIn } from "./management";

const MODELS = /\/assets\/ModelsPage-[^/]*\.js$/;

test("a tab whose build is gone loads itself anew, once", async ({ page }) => {
  await signIn(page, "/tokens");
  let gone = 0;
  await page.route(MODELS, (route) => (gone++ === 0 ? route.fulfill({ status: 404 }) : route.continue()));
  const loaded = page.waitForEvent("load");
  await page.evaluate(() => document.querySelector<HTMLElement>('a[href="/admin/models"]')?.click());
  await loaded;
  await expect(page.getByRole("heading", { level: 2, name: "Models" })).toBeVisible();
});

test("a page whose file takes its time shows its shape after a moment, and the one before stays until then", async ({ page }) => {
  await signIn(page, "/tokens");
  await expect(page.getByRole("heading", { level: 2, name: "Tokens" })).toBeVisible();
  let send = () => {};
  const sent = new Promise<void>((done) => { send = done; });
  await page.route(MODELS, async (route) => { await sent; await route.continue(); });
  await page.evaluate(() => document.querySelector<HTMLElement>('a[href="/admin/models"]')?.click());
  const loading = page.getByRole("status", { name: "The page is loading" });
  await expect(loading.or(page.getByRole("heading", { level: 2, name: "Tokens" }))).toBeVisible();
  await expect(loading).toBeVisible();
  send();
  await expect(page.getByRole("heading", { level: 2, name: "Models" })).toBeFocused();
  await expect(loading).toHaveCount(0);
});

test("the first page whose file takes its time shows its shape beside the navigation", async ({ page }) => {
  await signIn(page);
  let send = () => {};
  const sent = new Promise<void>((done) => { send = done; });
  await page.route(MODELS, async (route) => { await sent; await route.continue(); });
  await page.goto("/admin/models", { waitUntil: "commit" });
  await expect(page.getByRole("status", { name: "The page is loading" })).toBeVisible();
  await expect(page.getByRole("navigation", { name: "Pages" })).toBeVisible();
  send();
  await expect(page.getByRole("heading", { level: 2, name: "Models" })).toBeVisible();
});

test("a file that stays gone is shown as an error, without a loop, and can be tried again", async ({ page, found }) => {
  await signIn(page, "/tokens");
  let loads = 0;
  page.on("load", () => loads++);
  await page.route(MODELS, (route) => route.fulfill({ status: 404 }));
  await page.evaluate(() => document.querySelector<HTMLElement>('a[href="/admin/models"]')?.click());
  const failure = page.getByRole("alert").filter({ hasText: "This page can't be shown" });
  await expect(failure).toBeVisible();
  await expect(page.getByRole("heading", { level: 2, name: "Models" })).toBeVisible();
  expect(loads).toBe(1);
  await page.unroute(MODELS);
  await failure.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("button", { name: "New model" })).toBeVisible();
  // React logs the error that the page has caught and shows.
  found.length = 0;
});

test("a console whose own file can't be had says so", async ({ page, found }) => {
  await signIn(page, "/tokens");
  await page.route(/\/assets\/Console-[^/]*\.js$/, (route) => route.fulfill({ status: 404 }));
  await page.reload();
  const failure = page.getByRole("alert").filter({ hasText: "The console can't be shown" });
  await expect(failure).toBeVisible();
  await page.unroute(/\/assets\/Console-[^/]*\.js$/);
  await failure.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("heading", { level: 2, name: "Tokens" })).toBeVisible();
  found.length = 0;
});
