import { expect, simulatorUrl, test } from "./gateway";
import { goOnSignedOut, Management, signIn } from "./management";

test("who logs out everywhere is signed out in every browser, and whoever stays is the one", async ({ page, anotherBrowser }) => {
  test.slow();
  const other = await (await anotherBrowser()).newPage();
  await signIn(other, "/settings?tab=sessions");
  await signIn(page, "/settings?tab=sessions");
  await expect(page.getByText("this one")).toHaveCount(1);
  const confirm = page.getByRole("dialog", { name: "Log out everywhere" });

  await page.getByRole("button", { name: "Log out everywhere" }).click();
  await confirm.getByRole("switch", { name: "Stay signed in here" }).click();
  await confirm.getByLabel("Type everywhere to go on").fill("everywhere");
  await confirm.getByRole("button", { name: "Log out everywhere" }).click();
  await expect(confirm).toBeHidden();
  await expect(page.getByRole("table", { name: "Sessions" }).getByRole("row")).toHaveCount(2);
  await goOnSignedOut(other, "tab", "Revisions");

  await signIn(other, "/settings?tab=sessions");
  await page.getByRole("button", { name: "Log out everywhere" }).click();
  await confirm.getByLabel("Type everywhere to go on").fill("everywhere");
  await page.keyboard.press("Enter");
  await expect(page.getByLabel("Management token")).toBeVisible();
  await goOnSignedOut(other, "tab", "Settings");
});

test("one session is ended, and the others go on", async ({ page, anotherBrowser }) => {
  const other = await (await anotherBrowser()).newPage();
  await signIn(other, "/groups");
  await signIn(page, "/settings?tab=sessions");
  // Newest first: this one, then the other.
  await page.getByRole("button", { name: /^End the session/ }).nth(1).click();
  await page.getByRole("dialog", { name: "End the session" }).getByRole("button", { name: "End it" }).click();
  await expect(page.getByText("The session is ended.")).toBeVisible();
  await goOnSignedOut(other, "link", "Models");
  await expect(page.getByRole("table", { name: "Sessions" })).toBeVisible();
});

test("settings are searched, say where they come from, and hide secrets", async ({ page }) => {
  await signIn(page, "/settings");
  await page.getByRole("tab", { name: "Settings" }).click();
  const rows = page.getByRole("table", { name: "Settings" }).getByRole("row");
  await page.getByLabel("Search name, description, variable").fill("management_token");
  await expect(rows.filter({ hasText: "management_token" }).first()).toContainText("masked");
  await page.getByLabel("Search name, description, variable").fill("no such setting");
  await page.getByRole("button", { name: "Clear filters" }).click();
  await page.getByRole("switch", { name: "Only what is set" }).click();
  await expect(rows.filter({ hasText: "data_address" })).toBeVisible();
  await expect(page).toHaveURL(/tab=settings/);
  await page.reload();
  await expect(page.getByLabel("Only what is set")).toBeChecked();
});

test("the state of the gateway shows live", async ({ page, request }) => {
  await signIn(page, "/settings");
  const process = page.getByRole("region", { name: "Process" });
  await expect(process.getByText("live", { exact: true })).toBeVisible();
  await expect(page.getByRole("table", { name: "Parts" }).getByRole("row").filter({ hasText: "Store keeps" })).toContainText("Works");
  const revision = process.getByText("Revision of the configuration").locator("..");
  const before = await revision.innerText();
  await new Management(request).project("Seen live");
  await expect(revision).not.toHaveText(before, { useInnerText: true });
});

test("two revisions are chosen and compared, by entity and field, old and new", async ({ page, request }) => {
  const management = new Management(request);
  await management.serve("revised");
  await management.post("groups", { name: "revised-group", members: [{ upstream: "revised" }], policy: { session_header: "x-old" } });
  await signIn(page, "/groups/revised-group?act=edit");
  const form = page.getByRole("dialog", { name: "Edit revised-group" });
  await form.getByText("Retries, timeouts and more").click();
  await form.getByLabel("Session header").fill("x-new");
  await form.getByRole("button", { name: "Save" }).click();
  await expect(form).toBeHidden();

  await page.goto("/admin/settings?tab=revisions&kind=group");
  const marks = page.getByRole("checkbox", { name: /^Compare revision/ });
  await marks.nth(1).check();
  await expect(page.getByText("Choose another one to compare it with.")).toBeVisible();
  await marks.nth(0).check();
  const row = page.getByRole("article", { name: "group revised-group" }).getByRole("row").filter({ hasText: "x-new" });
  await expect(row).toContainText("x-old");
  await expect(page.getByRole("table", { name: "Revisions" })).toContainText("session");
  await page.goBack();
  await expect(page.getByText("Choose another one to compare it with.")).toBeVisible();
});

test("what a later revision removed is linked, and its page says so and leads on", async ({ page, request }) => {
  const management = new Management(request);
  await management.serve("removed-later");
  await management.post("groups", { name: "removed-group", members: [{ upstream: "removed-later" }] });
  await management.delete("groups/removed-group");
  await signIn(page, "/settings?tab=revisions&kind=group");
  const revisions = page.getByRole("table", { name: "Revisions" });
  await expect(revisions.getByRole("row").filter({ hasText: "removed-group removed" }).getByRole("link")).toHaveCount(0);
  await revisions.getByRole("link", { name: "removed-group" }).click();
  await expect(page.getByText("There is no such group")).toBeVisible();
  await page.getByRole("link", { name: "To the groups" }).click();
  await expect(page.getByRole("heading", { level: 2, name: "Groups" })).toBeVisible();
});

test("that the value of a header was changed stands in the history, and not what it is", async ({ page, request }) => {
  const management = new Management(request);
  const operation = { action: "insert", name: "x-team", value: "canary-1" };
  await management.post("upstreams", { name: "valued", provider: "openai", base_url: `${simulatorUrl}/v1`, header_operations: [operation] });
  await signIn(page, "/upstreams/valued?act=edit");
  const form = page.getByRole("dialog", { name: "Edit valued" });
  await form.getByText("Headers", { exact: true }).click();
  await form.getByLabel("Value").fill("canary-2");
  await form.getByRole("button", { name: "Save" }).click();
  await expect(form).toBeHidden();
  const history = page.getByRole("table", { name: "History" }).getByRole("row");
  await expect(history.nth(1)).toContainText("changed by UpdateUpstream");
  await history.nth(1).getByRole("link").click();
  const changes = page.getByRole("article", { name: "upstream valued" });
  await expect(changes).toContainText("x-team");
  await expect(changes).toContainText("It differs in what is not shown");
  await expect(changes).not.toContainText("canary");
});
