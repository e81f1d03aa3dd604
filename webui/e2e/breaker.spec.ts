import { dataUrl, expect, test } from "./gateway";
import { startFailing } from "./failing";
import { call, Management, signIn } from "./management";

const NAME = "tripping";
const SLOW = { timeout: 30_000 };

test("a breaker opens by real calls, probes and closes, live on the page", async ({ page, request }) => {
  test.slow();
  const provider = await startFailing();
  try {
    const management = new Management(request);
    await management.post("upstreams", { name: NAME, provider: "generic", base_url: provider.baseUrl, breaker: { min_calls: 2, cooldown: "8s" } });
    await management.post("models", { name: NAME, deployments: [{ upstream: NAME }] });
    const project = await management.project("Breakers");
    const { token } = await management.token(project.id, "caller");
    await signIn(page, `/upstreams/${NAME}`);
    const health = page.getByRole("region", { name: "Health" });
    await expect(health.getByText("Closed", { exact: true })).toBeVisible();

    for (let made = 0; made < 4; made++) expect(await call(`${dataUrl}/v1`, token, NAME)).toBeGreaterThanOrEqual(500);
    await expect(health.getByText("Open", { exact: true })).toBeVisible(SLOW);
    await expect(health.getByText("tried again")).toBeVisible();
    await expect(health.getByText("answered with status 500")).toBeVisible();
    expect(await call(`${dataUrl}/v1`, token, NAME)).toBe(503);

    await expect(health.getByText("Probing", { exact: true })).toBeVisible(SLOW);
    provider.heal();
    expect(await call(`${dataUrl}/v1`, token, NAME)).toBe(200);
    await expect(health.getByText("Closed", { exact: true })).toBeVisible(SLOW);
  } finally {
    await provider.close();
  }
});

test("an open breaker is reset", async ({ page, request }) => {
  const provider = await startFailing();
  try {
    const management = new Management(request);
    await management.post("upstreams", { name: "reset", provider: "generic", base_url: provider.baseUrl, breaker: { min_calls: 2, cooldown: "1h" } });
    await management.post("models", { name: "reset", deployments: [{ upstream: "reset" }] });
    const project = await management.project("Resets");
    const { token } = await management.token(project.id, "caller");
    for (let made = 0; made < 4; made++) await call(`${dataUrl}/v1`, token, "reset");
    await signIn(page, "/upstreams?q=reset");
    const row = page.getByRole("row").filter({ hasText: "reset" });
    await expect(row.getByText("Open", { exact: true })).toBeVisible(SLOW);
    await row.getByRole("button", { name: "Actions of reset" }).click();
    await page.getByRole("menuitem", { name: "Reset breaker" }).click();
    await expect(row.getByText("Closed", { exact: true })).toBeVisible(SLOW);
  } finally {
    await provider.close();
  }
});
