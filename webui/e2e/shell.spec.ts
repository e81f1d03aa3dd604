import { companyConsoleUrl, expect, test } from "./gateway";
import { signIn } from "./management";

test.use({ baseURL: companyConsoleUrl });

const PAGES = [
  ["o", "Overview"],
  ["p", "Projects"],
  ["t", "Tokens"],
  ["u", "Upstreams"],
  ["r", "Groups"],
  ["m", "Models"],
  ["l", "Listeners"],
  ["e", "Route tester"],
  ["a", "Usage"],
  ["c", "Calls"],
  ["y", "Playground"],
  ["s", "Settings"],
] as const;

test("g and a letter lead to each page, whose heading gets the focus and names the window", async ({ page }) => {
  await signIn(page, "/tokens");
  for (const [key, title] of PAGES) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await expect(page.getByRole("heading", { level: 2, name: title, exact: true })).toBeFocused();
    await expect(page).toHaveTitle(`${title} · Tollkeeper`);
  }
  await page.keyboard.press("?");
  const keys = page.getByRole("dialog", { name: "Keys" });
  for (const [key, title] of PAGES) await expect(keys.getByRole("row", { name: `g ${key} ${title}` })).toBeVisible();
  for (const row of ["/ Search", "n New", "j, k Next", "Enter Open", "Esc Close", "Ctrl K Go"])
    await expect(keys.getByRole("row", { name: row })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(keys).toBeHidden();
});

test("whoever leaves a page that is still loading is at the heading of the next", async ({ page }) => {
  await page.route(/TokensPage-[^/]*\.js$/, () => undefined);
  await signIn(page, "/tokens");
  const heading = page.getByRole("heading", { level: 2, name: "Overview", exact: true });
  await expect(async () => {
    await page.keyboard.press("g");
    await page.keyboard.press("o");
    await expect(heading).toBeVisible({ timeout: 5_000 });
  }).toPass();
  await expect(heading).toBeFocused();
});

test("j, k and Enter walk the rows, / searches, n makes a new one, Esc closes it", async ({ page }) => {
  await signIn(page, "/projects");
  const rows = page.getByRole("table", { name: "Projects" }).getByRole("row");
  await expect(rows.nth(2)).toBeVisible();
  for (const key of ["j", "j", "k"]) await page.keyboard.press(key);
  await expect(rows.nth(1)).toHaveAttribute("data-selected", "true");
  const name = await rows.nth(1).getByRole("link").first().innerText();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 2, name, exact: true })).toBeVisible();
  await page.goBack();
  await expect(rows.nth(2)).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByRole("textbox", { name: "Search" })).toBeFocused();
  // Ids are searched, too, and have no l and o.
  await page.keyboard.type("jnlo");
  await expect(page.getByText("Nothing matches")).toBeVisible();
  await page.getByRole("button", { name: "Clear filters" }).click();
  await page.keyboard.press("n");
  const dialog = page.getByRole("dialog", { name: "New project" });
  await expect(dialog).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();
});

test("the palette finds pages and things, and keeps the letters typed", async ({ page }) => {
  await signIn(page);
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog");
  await expect(palette).toBeVisible();
  await page.keyboard.type("vllm-ber");
  await expect(palette.getByText("vllm-berlin", { exact: true })).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 2, name: "vllm-berlin" })).toBeVisible();
});

test("a gateway that is lost is said, and all goes on when it is back", async ({ page, context, found }) => {
  await signIn(page, "/upstreams");
  await expect(page.getByText("vllm-berlin")).toBeVisible();
  await context.setOffline(true);
  const banner = page.getByRole("status").filter({ hasText: "The gateway can't be reached" });
  await page.getByRole("link", { name: "Projects", exact: true }).click();
  await expect(banner).toBeVisible({ timeout: 20_000 });
  await context.setOffline(false);
  await expect(banner).toBeHidden({ timeout: 20_000 });
  await expect(page.getByText("Contract review")).toBeVisible();
  found.length = 0;
});
