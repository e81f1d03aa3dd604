import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { companyConsoleUrl, expect, test } from "./gateway";
import { everywhere } from "./everywhere";
import { Management, signIn } from "./management";

test.use({ baseURL: companyConsoleUrl });

/** Whether a violation fails the test: serious ones, and all of landmarks, by which users of screen readers find their way. */
const isGrave = ({ id, impact }: { id: string; impact?: string | null }) => impact === "serious" || impact === "critical" || id.startsWith("landmark-");

async function grave(page: Page): Promise<unknown[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations
    .filter(isGrave)
    .map((it) => [it.id, it.help, it.nodes.map((node) => `${node.target.join(" ")} ${node.html}`)]);
}

for (const colorScheme of ["light", "dark"] as const)
  test(`no page has anything serious for axe, ${colorScheme}`, async ({ page, request }) => {
    test.setTimeout(400_000);
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.goto("/admin/");
    await expect(page.getByLabel("Management token")).toBeVisible();
    expect.soft(await grave(page), "sign-in").toEqual([]);
    await signIn(page);
    for (const { name, path, ready } of await everywhere(new Management(request))) {
      await page.goto(`/admin${path}`);
      await expect.soft(page.getByText(ready).first(), name).toBeVisible();
      expect.soft(await grave(page), name).toEqual([]);
    }
    await page.goto("/admin/");
    await expect(page.getByRole("heading", { level: 2 })).toBeVisible();
    await expect(async () => {
      await page.keyboard.press("?");
      await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible({ timeout: 5_000 });
    }).toPass();
    expect.soft(await grave(page), "keys").toEqual([]);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+k");
    await page.getByRole("textbox", { name: "Go to" }).fill("support");
    await expect(page.getByText("Support assistant").first()).toBeVisible();
    expect.soft(await grave(page), "palette").toEqual([]);
  });
