import type { Page } from "@playwright/test";
import { dataUrl, expect, test } from "./gateway";
import { Management, signIn } from "./management";
import { freeAddress } from "./ports";

interface Asked {
  token: string;
  model: string;
  path?: string;
  listener?: string;
  header?: string;
}

interface Answered {
  status: number;
  /** The upstream that answered, or the code of the refusal. */
  by: string;
}

const CHAT = "/v1/chat/completions";

/** Make the call that the tester told of. */
async function call(baseUrl: string, secret: string, { path = CHAT, model, header }: Asked): Promise<Answered> {
  const [name, value] = header?.split(": ") ?? [];
  const answer = await fetch(`${baseUrl}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json", ...(name && value ? { [name]: value } : {}) },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] }),
  });
  const body = (await answer.json()) as { error?: { code: string } };
  return { status: answer.status, by: answer.headers.get("x-tollkeeper-upstream") ?? body.error?.code ?? "" };
}

/** Ask the tester by its form. */
async function ask(page: Page, { path, model, listener, header, tokenName }: Omit<Asked, "token"> & { tokenName: string }): Promise<void> {
  await page.goto("/admin/tester");
  const form = page.getByRole("region", { name: "Request" });
  if (listener) await choose(page, "Listener", listener);
  await choose(page, "Token", tokenName);
  if (path) await form.getByLabel("Path").fill(path);
  await form.getByLabel("Model").fill(model);
  await page.keyboard.press("Escape");
  if (header) await form.getByLabel("Headers").fill(header);
  await form.getByRole("button", { name: "Explain" }).click();
}

async function choose(page: Page, field: string, name: string): Promise<void> {
  await page.getByRole("combobox", { name: field }).fill(name);
  await page.getByRole("option", { name }).click();
}

/** What the tester says the answer would be. */
async function told(page: Page): Promise<Answered> {
  const verdict = page.getByRole("status").filter({ hasText: /It would be/ });
  await expect(verdict).toBeVisible();
  const text = await verdict.innerText();
  const [, upstream] = /It would be sent to (\S+)/.exec(text) ?? [];
  if (upstream !== undefined) return { status: 200, by: upstream };
  const [, status, code] = /status (\d+), (\S+)/.exec(text) ?? [];
  return { status: Number(status), by: code ?? "" };
}

test("the tester says what the next call gets", async ({ page, request }) => {
  test.slow();
  const management = new Management(request);
  for (const model of ["tested", "tested-two"]) await management.serve(model);
  await management.post("models", { name: "tested-by-alias", aliases: ["tested-alias"], deployments: [{ upstream: "tested-two" }] });
  await management.post("groups", { name: "tested-group", members: [{ upstream: "tested-two" }] });
  const address = await freeAddress();
  await management.post("listeners", {
    name: "tested-port",
    address,
    rules: [
      { path: "/tenant/*", group: "tested-group", strip_prefix: "/tenant" },
      { header: "x-team", value: "billing", group: "tested-group" },
    ],
  });
  const project = await management.project("Tested");
  const free = await management.token(project.id, "tested-free");
  const bound = await management.post<{ id: string; token: string }>("tokens", { project_id: project.id, name: "tested-bound", allowed_models: ["tested"] });
  const gone = await management.token(project.id, "tested-gone");
  await management.post("tokens:revoke", { ids: [gone.id] });

  await signIn(page, "/tester");
  await expect(page.getByText("Nothing was asked yet")).toBeVisible();
  const cases: (Omit<Asked, "token"> & { tokenName: string; secret: string; expected: Answered })[] = [
    { tokenName: "tested-free", secret: free.token, model: "tested-alias", expected: { status: 200, by: "tested-two" } },
    { tokenName: "tested-bound", secret: bound.token, model: "tested-two", expected: { status: 403, by: "model_not_allowed" } },
    { tokenName: "tested-free", secret: free.token, model: "tested", path: "/tenant/v1/chat/completions", listener: "tested-port", expected: { status: 200, by: "tested-two" } },
    { tokenName: "tested-free", secret: free.token, model: "tested", listener: "tested-port", header: "x-team: billing", expected: { status: 200, by: "tested-two" } },
    { tokenName: "tested-free", secret: free.token, model: "tested", listener: "tested-port", expected: { status: 200, by: "tested" } },
    { tokenName: "tested-gone", secret: gone.token, model: "tested", expected: { status: 401, by: "invalid_api_key" } },
  ];
  for (const { secret, expected, ...asked } of cases) {
    await ask(page, asked);
    const said = await told(page);
    const got = await call(asked.listener ? `http://${address}` : dataUrl, secret, { token: "", ...asked });
    expect.soft({ said, got }, JSON.stringify(asked)).toEqual({ said: expected, got: expected });
  }
});

test("the address keeps the question, and no secret gets into it", async ({ page, request }) => {
  const management = new Management(request);
  await management.serve("kept-question");
  const { id } = await management.project("Kept question");
  const token = await management.post<{ id: string }>("tokens", { project_id: id, name: "kept-question", allowed_models: ["kept-question"] });
  await signIn(page, `/tester?path=/v1/chat/completions&model=kept-question&token=${token.id}`);
  await expect(page.getByText("It would be sent to kept-question")).toBeVisible();
  await expect(page.getByRole("listitem", { name: "Route: passed" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Send it for real in the playground" })).toHaveAttribute("href", /playground\?.*model=kept-question/);

  const form = page.getByRole("region", { name: "Request" });
  await form.getByLabel("Model").fill("unheard-of");
  await page.keyboard.press("Enter");
  // 403 where a default upstream serves any model, 404 where none does.
  await expect(page.getByText(/It would be refused with status 40[34]/)).toBeVisible();
  await expect(page.getByRole("listitem", { name: "Route: refused" })).toBeVisible();
  await expect(page.getByRole("listitem", { name: "Upstream: not reached" })).toBeVisible();
  await page.goBack();
  await expect(form.getByLabel("Model")).toHaveValue("kept-question");
  await expect(page.getByText("It would be sent to kept-question")).toBeVisible();

  await form.getByLabel("Headers").fill("Authorization: Bearer sk-1");
  await form.getByRole("button", { name: "Explain" }).click();
  await expect(page.getByText(/Authorization carries a secret/)).toBeVisible();
  expect(page.url()).not.toContain("sk-1");
});
