import type { APIRequestContext } from "@playwright/test";
import { expect, simulatorUrl, test } from "./gateway";
import { Management, signIn } from "./management";

const UPSTREAMS = ["spread-a", "spread-b", "spread-c"];

async function spread(request: APIRequestContext): Promise<Management> {
  const management = new Management(request);
  const { length } = await management.get<object[]>("upstreams?search=spread-");
  if (length === 0)
    for (const name of UPSTREAMS) await management.post("upstreams", { name, provider: "openai", base_url: `${simulatorUrl}/v1`, api_key: "sk-1" });
  return management;
}

test("a group is made, its members weighed and moved by a keyboard, and it says where it is used", async ({ page, request }) => {
  const management = await spread(request);
  await signIn(page, "/groups?act=new");
  const form = page.getByRole("dialog", { name: "New group" });
  await form.getByRole("textbox", { name: /^Name/ }).fill("spread");
  await form.getByRole("combobox", { name: "Strategy" }).click();
  await page.getByRole("option", { name: "Weighted round robin" }).click();
  for (const [at, name] of ["spread-a", "spread-b"].entries()) {
    if (at > 0) await form.getByRole("button", { name: "Add member" }).click();
    const upstream = form.getByRole("combobox", { name: "Upstream" }).nth(at);
    await upstream.fill(name);
    await page.getByRole("option", { name }).click();
  }
  await form.getByLabel(/Weight/).first().fill("3");
  await expect(form.getByLabel("Weight (75 %)")).toBeVisible();
  await form.getByRole("button", { name: "Move spread-b up" }).focus();
  await page.keyboard.press("Enter");
  await form.getByRole("button", { name: "Create" }).click();
  await expect(page.getByRole("heading", { level: 2, name: "spread" })).toBeVisible();
  expect(await management.get("groups/spread")).toMatchObject({
    members: [{ upstream: "spread-b" }, { upstream: "spread-a", weight: 3 }],
    policy: { strategy: "weighted_round_robin" },
  });

  await management.post("models", { name: "by-group", group: "spread" });
  await page.reload();
  await expect(page.getByRole("region", { name: "Where it is used" }).getByRole("link", { name: "model by-group" })).toBeVisible();

  await page.getByRole("button", { name: "Actions of spread" }).click();
  await page.getByRole("menuitem", { name: "Test spread-a" }).click();
  await expect(page.getByRole("dialog", { name: "Test of spread-a" })).toBeVisible();
});

test("a model is made with fallbacks and a price, and moved to a group", async ({ page, request }) => {
  test.slow();
  const management = await spread(request);
  await management.post("groups", { name: "for-models", members: [{ upstream: "spread-c" }] });
  await management.post("models", { name: "smaller", deployments: [{ upstream: "spread-a" }] });
  await signIn(page, "/models?act=new");
  const form = page.getByRole("dialog", { name: "New model" });
  await form.getByRole("textbox", { name: /^Name/ }).fill("larger");
  await form.getByRole("combobox", { name: "Upstream" }).fill("spread-b");
  await page.getByRole("option", { name: "spread-b" }).click();
  await form.getByLabel("Model there").fill("gpt-4o");
  await form.getByText("Fallbacks", { exact: true }).click();
  await form.getByRole("combobox", { name: "Add a fallback" }).fill("smaller");
  await page.getByRole("option", { name: "smaller" }).click();
  await form.getByRole("switch", { name: "Has a price" }).click();
  await form.getByRole("textbox", { name: "Prompt", exact: true }).fill("2.5");
  await form.getByRole("button", { name: "Create" }).click();
  await expect(form.getByText("0 is free")).toBeVisible();
  await form.getByRole("textbox", { name: "Completion" }).fill("10");
  await form.getByRole("button", { name: "Create" }).click();
  await expect(page.getByRole("heading", { level: 2, name: "larger" })).toBeVisible();
  await expect(page.getByText("$2.5 in, $10 out")).toBeVisible();
  const chain = page.getByRole("list", { name: "Order of the models" }).getByRole("listitem");
  await expect(chain).toHaveText([/larger/, /smaller/]);

  await page.getByRole("button", { name: "Edit" }).click();
  const edit = page.getByRole("dialog", { name: "Edit larger" });
  await edit.getByText("A group", { exact: true }).click();
  await edit.getByRole("combobox", { name: "Group" }).fill("for-models");
  await page.getByRole("option", { name: "for-models" }).click();
  await edit.getByRole("button", { name: "Save" }).click();
  await expect(edit).toBeHidden();
  expect(await management.get("models/larger")).toMatchObject({ group: "for-models", deployments: [], fallbacks: ["smaller"] });

  await page.getByRole("button", { name: "Actions of larger" }).click();
  await page.getByRole("menuitem", { name: "Test its route" }).click();
  await expect(page.locator("form").getByLabel("Model")).toHaveValue("larger");
  await expect(page.getByRole("heading", { name: "Steps" })).toBeVisible();
  await page.goBack();
  await page.getByRole("button", { name: "Actions of larger" }).click();
  await page.getByRole("menuitem", { name: "Try it in the playground" }).click();
  await expect(page.getByRole("combobox", { name: "Model" })).toHaveValue("larger");
});

test("the pages fit a phone", async ({ page, request }) => {
  test.slow();
  await spread(request);
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, "/upstreams");
  for (const path of ["/upstreams", "/upstreams/spread-a", "/upstreams/spread-a?act=edit", "/groups", "/groups?act=new", "/models", "/models?act=new"]) {
    await page.goto(`/admin${path}`);
    await expect(page.getByRole("heading", { level: 2 }).first()).toBeVisible();
    if (path.includes("act=")) await expect(page.getByRole("dialog")).toBeVisible();
    const excess = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(excess, path).toBeLessThanOrEqual(0);
  }
  await page.goto("/admin/upstreams?q=spread-a");
  await expect(page.getByRole("listitem").filter({ hasText: "spread-a" })).toContainText("Breaker");
});
