import { expect, managementToken, simulatorUrl, test } from "./gateway";
import { Management, signIn } from "./management";

const KEY = "sk-typed-into-the-form";

test("an upstream is made by the form, tested before and after, and what it lists becomes a model", async ({ page }) => {
  test.slow();
  const asked: string[] = [];
  page.on("request", (it) => {
    if (it.url().endsWith("/ListUpstreamModels")) asked.push(it.url());
  });
  await signIn(page, "/upstreams");
  await page.getByRole("button", { name: "New upstream" }).first().click();
  const form = page.getByRole("dialog", { name: "New upstream" });
  await form.getByText("Anthropic", { exact: true }).click();
  await expect(form.getByLabel("Base URL")).toHaveValue("https://api.anthropic.com/v1");
  await form.getByText("OpenAI", { exact: true }).click();
  await expect(form.getByLabel("Base URL")).toHaveValue("https://api.openai.com/v1");

  await form.getByRole("textbox", { name: /^Name/ }).fill("by-the-form");
  await form.getByLabel("Base URL").fill("http://127.0.0.1:1/v1");
  await form.getByLabel("API key").fill(KEY);
  await form.getByRole("button", { name: "Test" }).click();
  await expect(form.getByText("The test failed")).toBeVisible();
  await expect(form.getByRole("listitem").filter({ hasText: "Connect failed" })).toContainText("in ");

  await form.getByLabel("Base URL").fill(`${simulatorUrl}/v1`);
  await form.getByRole("button", { name: "Test" }).click();
  await expect(form.getByText("The test passed")).toBeVisible();
  await expect(form.getByRole("list", { name: "Steps of the test" })).toContainText(/Credentials passed in [\d.]+ (µs|ms|s)/);
  await form.getByRole("button", { name: "Create" }).click();

  await expect(page.getByRole("heading", { level: 2, name: "by-the-form" })).toBeVisible();
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await expect(page.getByRole("dialog", { name: "Test of by-the-form" }).getByText("The test passed")).toBeVisible();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
  expect(await page.content()).not.toContain(KEY);
  expect(page.url()).not.toContain(KEY);

  // Who looks at the page has not asked the provider anything.
  await expect(page.getByRole("button", { name: "Ask for its models" })).toBeVisible();
  expect(asked).toEqual([]);
  await page.getByRole("button", { name: "Ask for its models" }).click();
  await page.getByLabel("Search its models").fill("embedding-3-large");
  expect(asked).toHaveLength(1);
  await page.getByRole("link", { name: "Add as model text-embedding-3-large" }).click();
  const model = page.getByRole("dialog", { name: "New model" });
  await expect(model.getByRole("textbox", { name: /^Name/ })).toHaveValue("text-embedding-3-large");
  await expect(model.getByRole("combobox", { name: "Upstream" })).toHaveValue("by-the-form");
  await model.getByRole("button", { name: "Create" }).click();
  await expect(page.getByRole("heading", { level: 2, name: "text-embedding-3-large" })).toBeVisible();
  await expect(page.getByText("None of its own: its calls cost what the prices that ship")).toBeVisible();
});

test("what the server refuses stands at its field, in an open part of the form", async ({ page }) => {
  await signIn(page, "/upstreams?act=new");
  const form = page.getByRole("dialog", { name: "New upstream" });
  await form.getByRole("textbox", { name: /^Name/ }).fill("refused");
  await form.getByText("Timeouts").click();
  await form.getByLabel("Connect").fill("soon");
  await form.getByText("Timeouts").click();
  await form.getByRole("button", { name: "Create" }).click();
  await expect(form.getByLabel("Connect")).toBeFocused();
  await expect(form.getByText("is no duration")).toBeVisible();
  await form.getByLabel("Connect").fill("20 min");
  await form.getByRole("button", { name: "Create" }).click();
  await expect(form.getByLabel("Connect")).toHaveAttribute("aria-invalid", "true");
  await form.getByLabel("Connect").fill("20 s");
  await form.getByRole("textbox", { name: /^Name/ }).fill("a name with blanks");
  await form.getByRole("button", { name: "Create" }).click();
  await expect(form.getByRole("textbox", { name: /^Name/ })).toBeFocused();
  await expect(form.getByLabel("Connect")).toHaveValue("20 s");
});

test("a key is replaced and never shown, and other edits leave it", async ({ page, request }) => {
  const management = new Management(request);
  await management.post("upstreams", { name: "keyed", provider: "openai", base_url: `${simulatorUrl}/v1`, api_key: "sk-first-0123456789" });
  await signIn(page, "/upstreams/keyed");
  await page.getByRole("button", { name: "Edit" }).click();
  const form = page.getByRole("dialog", { name: "Edit keyed" });
  await expect(form.getByRole("button", { name: "Replace API key" })).toBeVisible();
  await form.getByLabel("Organization").fill("org-1");
  await form.getByRole("button", { name: "Save" }).click();
  await expect(form).toBeHidden();
  const before = await management.get<{ api_key: string; organization: string; etag: string }>("upstreams/keyed");
  expect(before.organization).toBe("org-1");
  expect(before.api_key).not.toBe("");

  await page.getByRole("button", { name: "Actions of keyed" }).click();
  await page.getByRole("menuitem", { name: "Replace key" }).click();
  const dialog = page.getByRole("dialog", { name: "Replace the key of keyed" });
  await expect(dialog.getByLabel("New API key")).toHaveValue("");
  await dialog.getByLabel("New API key").fill("sk-another-zzzz");
  await dialog.getByRole("button", { name: "Replace" }).click();
  await expect(dialog).toBeHidden();
  const after = await management.get<{ etag: string }>("upstreams/keyed");
  expect(after.etag).not.toBe(before.etag);
  expect(await page.content()).not.toContain("sk-another-zzzz");
});

test("an upstream is taken out of traffic, and back by Undo", async ({ page, request }) => {
  const management = new Management(request);
  await management.post("upstreams", { name: "outgoing", provider: "openai", base_url: `${simulatorUrl}/v1`, api_key: "sk-1" });
  await signIn(page, "/upstreams?q=outgoing");
  const row = page.getByRole("row").filter({ hasText: "outgoing" });
  await expect(row.getByText("Closed")).toBeVisible();
  await row.getByRole("button", { name: "Actions of outgoing" }).click();
  await page.getByRole("menuitem", { name: "Take out of traffic" }).click();
  await expect(row.getByText("Out of traffic")).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(row.getByText("Closed")).toBeVisible();
});

test("what is in use is not deleted, and says by what", async ({ page, request }) => {
  const management = new Management(request);
  await management.post("upstreams", { name: "in-use", provider: "openai", base_url: `${simulatorUrl}/v1`, api_key: "sk-1" });
  await management.post("groups", { name: "its-group", members: [{ upstream: "in-use" }] });
  await management.post("models", { name: "its-model", deployments: [{ upstream: "in-use" }] });
  await signIn(page, "/upstreams/in-use");
  const used = page.getByRole("region", { name: "Where it is used" });
  await expect(used.getByRole("link", { name: "group its-group" })).toBeVisible();
  await expect(used.getByRole("link", { name: "model its-model" })).toBeVisible();
  await page.getByRole("button", { name: "Actions of in-use" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete the upstream in-use" });
  await expect(dialog.getByText("It is in use")).toBeVisible();
  await expect(dialog.getByRole("link", { name: "group its-group" })).toBeVisible();
  await dialog.getByLabel("Type in-use to go on").fill("in-use");
  await dialog.getByRole("button", { name: "Delete" }).click();
  await expect(dialog.getByText("It was not done")).toBeVisible();
  await dialog.getByRole("link", { name: "model its-model" }).click();
  await expect(page.getByRole("heading", { level: 2, name: "its-model" })).toBeVisible();
  await expect(page.getByRole("dialog")).toBeHidden();
});

test("somebody else's edit is shown beside mine, and mine is kept", async ({ page, request }) => {
  const management = new Management(request);
  await management.post("upstreams", { name: "two-hands", provider: "openai", base_url: `${simulatorUrl}/v1`, api_key: "sk-1" });
  await signIn(page, "/upstreams/two-hands?act=edit");
  const form = page.getByRole("dialog", { name: "Edit two-hands" });
  await form.getByLabel("Organization").fill("mine");
  const theirs = { organization: "theirs", project: "theirs-too" };
  const headers = { authorization: `Bearer ${managementToken}` };
  expect((await request.patch("/manage/upstreams/two-hands", { data: theirs, headers })).ok()).toBe(true);
  await form.getByRole("button", { name: "Save" }).click();
  const differences = form.getByRole("table", { name: "Differences" });
  await expect(differences.getByRole("row", { name: "organization theirs mine" })).toBeVisible();
  await expect(form.getByLabel("Organization")).toHaveValue("mine");
  await form.getByRole("button", { name: "Store mine over it" }).click();
  await expect(form).toBeHidden();
  expect(await management.get("upstreams/two-hands")).toMatchObject({ organization: "mine", project: "theirs-too" });
});

test("a keyboard alone makes an upstream", async ({ page }) => {
  await signIn(page);
  await expect(page.getByRole("heading", { level: 2, name: "Overview" })).toBeVisible();
  await page.keyboard.press("g");
  await page.keyboard.press("u");
  await expect(page.getByRole("heading", { level: 2, name: "Upstreams" })).toBeVisible();
  await page.keyboard.press("n");
  const form = page.getByRole("dialog", { name: "New upstream" });
  await expect(form.getByRole("textbox", { name: /^Name/ })).toBeFocused();
  await page.keyboard.type("by-keyboard");
  await page.keyboard.press("Tab");
  await expect(form.getByLabel("Base URL")).toBeFocused();
  await page.keyboard.press("Control+a");
  await page.keyboard.type(`${simulatorUrl}/v1`);
  await page.keyboard.press("Tab");
  await page.keyboard.type("sk-keys");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 2, name: "by-keyboard" })).toBeVisible();
  await page.goBack();
  await expect(page.getByRole("link", { name: "by-keyboard" })).toBeVisible();
});
