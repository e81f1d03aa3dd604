import type { Page } from "@playwright/test";
import { expect, test } from "./gateway";
import { Management, signIn } from "./management";
import { startStreaming, type Streaming } from "./streaming";

const MODEL = "words";
let provider: Streaming;
test.beforeEach(async () => {
  provider = await startStreaming();
});
test.afterEach(() => provider.close());

/** Make what a chat needs, and open the playground with it. */
async function open(page: Page, management: Management, name: string, settings: object = {}): Promise<string> {
  await management.post("upstreams", { name, provider: "generic", base_url: provider.baseUrl, auth_scheme: "none" });
  await management.post("models", { name: `${MODEL}-${name}`, deployments: [{ upstream: name }] });
  const project = await management.project(name);
  const { id } = await management.post<{ id: string }>("tokens", { project_id: project.id, name, ...settings });
  await signIn(page, `/playground?token=${id}&model=${MODEL}-${name}`);
  return id;
}

test("an answer streams in, is counted, and says who gave it", async ({ page, request }) => {
  await open(page, new Management(request), "streams");
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("Count");
  await page.keyboard.press("Enter");
  const answer = page.getByTestId("answer");
  await expect(answer).toContainText("word0 word1 word2");
  await expect(page.getByRole("button", { name: "Stop" })).toBeVisible();
  provider.end();
  await expect(page.getByRole("button", { name: "Send" })).toBeVisible();
  await expect(page.getByText(/^first token \d/)).toBeVisible();
  await expect(page.getByText("answered by streams")).toBeVisible({ timeout: 15_000 });
  await page.getByLabel("System message").fill("Be brief");
  await page.getByLabel("Temperature").fill("0.5");
  await page.getByRole("button", { name: "Copy as…" }).click();
  const curl = page.getByRole("dialog", { name: "The same call elsewhere" }).getByRole("tabpanel");
  await expect(curl).toContainText('{"role":"system","content":"Be brief"},{"role":"user","content":"Count"}');
  await expect(curl).toContainText('"stream":true');
  await expect(curl).toContainText('"temperature":0.5');
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "the call" }).click();
  await expect(page).toHaveURL(/\/admin\/calls\?.*call=/);
});

test("an answer that is stopped keeps what had come, and ends at the provider", async ({ page, request }) => {
  await open(page, new Management(request), "stopped");
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("Count");
  await page.getByRole("button", { name: "Send" }).click();
  await expect(page.getByTestId("answer")).toContainText("word1");
  await page.getByRole("button", { name: "Stop" }).click();
  await provider.left;
  await expect(page.getByText("Stopped. What had come is kept.")).toBeVisible();
  const kept = await page.getByTestId("answer").innerText();
  expect(kept).toMatch(/^word0 word1/);
  await expect(page.getByRole("button", { name: "Send" })).toBeVisible();
});

test("a refusal is shown as the caller gets it", async ({ page, request }) => {
  await open(page, new Management(request), "refused", { allowed_models: ["other-*"] });
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("Count");
  await page.getByRole("button", { name: "Send" }).click();
  const alert = page.getByRole("alert").filter({ hasText: "The caller is answered 403" });
  await expect(alert).toContainText('"code": "model_not_allowed"');
});
