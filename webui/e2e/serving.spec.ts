import { expect, test } from "./gateway";

test("any address shows the application, by the protocol of its port @tls", async ({ page, baseURL }) => {
  await page.goto("/admin/tokens?search=ci");
  await expect(page.getByLabel("Management token")).toBeVisible();
  const protocols = await page.evaluate(() =>
    performance
      .getEntries()
      .filter((it) => it instanceof PerformanceResourceTiming)
      .map((it) => it.nextHopProtocol)
      .filter((it) => it !== ""),
  );
  expect(new Set(protocols)).toEqual(new Set([baseURL?.startsWith("https:") ? "h2" : "http/1.1"]));
});

test("the first address leads to the application @tls", async ({ page }) => {
  await page.goto("/");
  await expect(page).toHaveURL(/\/admin\/$/);
  await expect(page.getByLabel("Management token")).toBeVisible();
});

test("the policy lets no script in that is not the application's", async ({ page, request }) => {
  const answer = await request.get("/admin/");
  expect(answer.headers()["content-security-policy"]).not.toContain("unsafe");
  await page.goto("/admin/");
  await expect(page.getByLabel("Management token")).toBeVisible();
  const refused = await page.evaluate(() => {
    try {
      document.body.innerHTML = "<b>text</b>";
      return false;
    } catch (error) {
      return error instanceof TypeError;
    }
  });
  expect(refused).toBe(true);
});
