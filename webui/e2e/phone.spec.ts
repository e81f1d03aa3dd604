import { companyConsoleUrl, expect, test } from "./gateway";
import { everywhere } from "./everywhere";
import { Management, signIn } from "./management";

test.use({ baseURL: companyConsoleUrl, viewport: { width: 390, height: 844 } });

test("on a phone no page is wider than the screen", async ({ page, request }) => {
  test.slow();
  await signIn(page);
  for (const { name, path, ready } of await everywhere(new Management(request))) {
    await page.goto(`/admin${path}`);
    await expect(page.getByText(ready).first(), name).toBeVisible();
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(wider, name).toBe(0);
  }
});

test("on a phone the navigation opens, leads to a page, and closes", async ({ page }) => {
  await signIn(page);
  await page.getByRole("button", { name: "Navigation" }).click();
  await page.getByRole("link", { name: "Upstreams", exact: true }).click();
  await expect(page.getByRole("heading", { level: 2, name: "Upstreams" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Models" })).not.toBeInViewport();
});
