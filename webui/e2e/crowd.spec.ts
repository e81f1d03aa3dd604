import type { Page } from "@playwright/test";
import { companyConsoleUrl, expect, test } from "./gateway";
import { signIn } from "./management";

test.use({ baseURL: companyConsoleUrl });
const LIST = "/tollkeeper.v1.TokenService/ListTokens";

/** Do something, and return the calls of the list that it took. */
async function callsOf(page: Page, action: () => Promise<void>): Promise<number> {
  let calls = 0;
  const count = (request: { url: () => string }) => {
    if (request.url().endsWith(LIST)) calls++;
  };
  page.on("request", count);
  await action();
  page.off("request", count);
  return calls;
}

test("among 100,000 tokens a list, a search, an order and a next page are a question each", async ({ page }) => {
  const rows = page.getByRole("table", { name: "Tokens" }).getByRole("row");
  const calls = await callsOf(page, async () => {
    await signIn(page, "/tokens");
    await expect(rows).toHaveCount(26);
    await expect(page.getByText("10,000 or more")).toBeVisible();
  });
  expect(calls).toBe(1);

  const search = await callsOf(page, async () => {
    await page.getByRole("textbox", { name: "Search" }).fill("device-099999");
    await expect(rows).toHaveCount(2);
    await expect(page.getByText("1 in all")).toBeVisible();
  });
  expect(search).toBe(1);

  await page.getByRole("button", { name: "Clear the search" }).click();
  await expect(rows).toHaveCount(26);
  const order = await callsOf(page, async () => {
    await page.getByRole("columnheader", { name: "Name" }).getByRole("button").click();
    await expect(rows.nth(1)).toContainText("android");
  });
  expect(order).toBe(1);

  const next = await callsOf(page, async () => {
    await page.getByRole("button", { name: "Next" }).click();
    await expect(page.getByText("Page 2")).toBeVisible();
    await expect(rows.nth(1)).toContainText("device-0000");
  });
  expect(next).toBe(1);
});

test("the landing page and the palette read no collection from end to end", async ({ page }) => {
  const calls = await callsOf(page, async () => {
    await signIn(page);
    await expect(page.getByRole("heading", { name: "Needs attention" })).toBeVisible();
    await expect(page.getByRole("heading", { name: "Top projects" })).toBeVisible();
    await expect(page.getByRole("img", { name: /^Tokens over time/ })).toBeVisible();
    await expect(page.getByRole("img", { name: /^Cost over time/ })).toBeVisible();
    await expect(page.getByRole("link", { name: /^Cost ?\$/ })).toHaveAttribute("href", /\/usage\?.*measure=cost/);
  });
  expect(calls).toBe(0);
  await page.keyboard.press("Control+k");
  await page.getByRole("textbox", { name: "Go to" }).fill("device-04242");
  await expect(page.getByText("device-042420")).toBeVisible();
  await page.keyboard.press("Escape");
});

test("in a window of 1280 pixels every list shows all its columns, and what can be done with a row", async ({ page }) => {
  await page.setViewportSize({ width: 1280, height: 800 });
  await signIn(page, "/projects");
  for (const list of ["projects", "tokens", "upstreams", "groups", "models", "listeners"]) {
    await page.goto(`/admin/${list}`);
    await expect(page.getByRole("button", { name: /^Actions of/ }).first(), list).toBeInViewport({ ratio: 1 });
  }
});
