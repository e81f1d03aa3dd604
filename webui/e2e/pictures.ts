import { mkdirSync } from "node:fs";
import { companyConsoleUrl, expect, test } from "./gateway";
import { everywhere } from "./everywhere";
import { Management, signIn } from "./management";

// No test: `npm run pictures` takes every page in light, dark and on a phone, for people to look at.
const FOLDER = "pictures";
const LOOKS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 } },
} as const;

test.use({ baseURL: companyConsoleUrl });
for (const [look, { colorScheme, viewport }] of Object.entries(LOOKS))
  test(`pictures, ${look}`, async ({ page, request }) => {
    test.setTimeout(300_000);
    mkdirSync(`${FOLDER}/${look}`, { recursive: true });
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.goto("/admin/");
    await expect(page.getByLabel("Management token")).toBeVisible();
    await page.screenshot({ path: `${FOLDER}/${look}/sign-in.png` });
    await signIn(page);
    for (const { name, path, ready } of await everywhere(new Management(request))) {
      await page.goto(`/admin${path}`);
      await expect.soft(page.getByText(ready).first(), name).toBeVisible();
      await expect.soft(page.locator("[aria-busy=true], .mantine-Skeleton-root"), name).toHaveCount(0);
      // A window as high as the page, since what is fixed in it does not grow with a picture of the whole page.
      const isDialog = /[?&](act|call)=/.test(path);
      const height = await page.evaluate(() => document.documentElement.scrollHeight);
      if (!isDialog) await page.setViewportSize({ ...viewport, height });
      await page.waitForTimeout(400);
      await page.screenshot({ path: `${FOLDER}/${look}/${name}.png` });
      await page.screenshot({ path: `${FOLDER}/${look}/${name}-top.png`, clip: { x: 0, y: 0, ...viewport } });
      await page.setViewportSize(viewport);
    }
  });

test("pictures for the documents", async ({ page, request }) => {
  test.setTimeout(300_000);
  const management = new Management(request);
  const places = await everywhere(management);
  const pathOf = (name: string) => places.find((it) => it.name === name)?.path ?? "";
  const token = (await management.get<{ id: string }[]>("tokens?search=smoke"))[0]?.id ?? "";
  mkdirSync(`${FOLDER}/documents`, { recursive: true });
  await page.setViewportSize({ width: 1280, height: 860 });
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await signIn(page);
  const take = async (name: string, path: string, ready: string, act: () => Promise<void> = async () => {}) => {
    await page.goto(`/admin${path}`);
    await expect.soft(page.getByText(ready).first(), name).toBeVisible();
    await expect.soft(page.locator("[aria-busy=true], .mantine-Skeleton-root"), name).toHaveCount(0);
    await act();
    await page.waitForTimeout(1_500);
    await page.screenshot({ path: `${FOLDER}/documents/${name}.png` });
  };
  await take("overview", "/?range=7d", "Needs attention");
  await take("tokens", "/tokens?q=o&order=last_used_at+desc", "Active");
  await take("upstream", "/upstreams/vllm-berlin", "Health");
  await take("usage", "/usage?range=7d&group=model&compare=true", "Totals");
  await take("call", pathOf("call"), "Attempts");
  await take("tester", `${pathOf("tester")}&token=${token}`, "Path");
  await take("playground", `/playground?token=${token}&model=llama-3.3-70b`, "Nothing was asked yet", async () => {
    await page.getByRole("textbox", { name: "Message", exact: true }).fill("Which of our products suit a small kitchen?");
    await page.keyboard.press("Enter");
    await expect.soft(page.getByText(/^answered by/)).toBeVisible();
  });
  await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
  await take("overview-dark", "/?range=7d", "Needs attention");
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await take("phone", "/?range=7d", "Needs attention");
});
