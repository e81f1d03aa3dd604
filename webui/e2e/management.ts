import type { APIRequestContext, Page } from "@playwright/test";
import { expect, managementToken, simulatorUrl } from "./gateway";

/** The management plane over REST: how tests make what is no subject of theirs. */
export class Management {
  constructor(private readonly request: APIRequestContext) {}

  async post<Answer>(path: string, data: object): Promise<Answer> {
    const answer = await this.request.post(`/manage/${path}`, { data, headers: { authorization: `Bearer ${managementToken}` } });
    expect(answer.ok(), `POST ${path}: ${await answer.text()}`).toBe(true);
    return (await answer.json()) as Answer;
  }

  async get<Answer>(path: string): Promise<Answer> {
    const answer = await this.request.get(`/manage/${path}`, { headers: { authorization: `Bearer ${managementToken}` } });
    expect(answer.ok(), `GET ${path}: ${await answer.text()}`).toBe(true);
    return (await answer.json()) as Answer;
  }

  async patch(path: string, data: object): Promise<void> {
    const answer = await this.request.patch(`/manage/${path}`, { data, headers: { authorization: `Bearer ${managementToken}` } });
    expect(answer.ok(), `PATCH ${path}: ${await answer.text()}`).toBe(true);
  }

  async delete(path: string): Promise<void> {
    const answer = await this.request.delete(`/manage/${path}`, { headers: { authorization: `Bearer ${managementToken}` } });
    expect(answer.ok(), `DELETE ${path}: ${await answer.text()}`).toBe(true);
  }

  /** Have the simulator serve a model by an upstream of the same name, unless it does. */
  async serve(model: string): Promise<void> {
    const headers = { authorization: `Bearer ${managementToken}` };
    const found = await this.request.get(`/manage/models/${model}`, { headers });
    if (found.ok()) return;
    await this.post("upstreams", { name: model, provider: "openai", base_url: `${simulatorUrl}/v1`, api_key: "sk-simulated" });
    await this.post("models", { name: model, deployments: [{ upstream: model }] });
  }

  project(name: string): Promise<{ id: string; name: string }> {
    return this.post("projects", { name });
  }

  token(projectId: string, name: string): Promise<{ id: string; token: string }> {
    return this.post("tokens", { project_id: projectId, name });
  }
}

/** Open a page of the console as somebody who is signed in. */
export async function signIn(page: Page, path = "/"): Promise<void> {
  await page.goto(`/admin${path}`);
  await page.getByLabel("Management token").fill(managementToken);
  await page.getByRole("button", { name: "Sign in" }).click();
  // By its element: what a dialog covers has no role.
  await expect(page.locator("nav[aria-label=Pages]")).toBeAttached();
}

/** Go on in a page whose session is ended. A question of the page itself may be the first that notices it, and covers the rest. */
export async function goOnSignedOut(page: Page, role: "link" | "tab", name: string): Promise<void> {
  await page.getByRole(role, { name, exact: true }).click({ timeout: 5_000 }).catch(() => undefined);
  await expect(page.getByLabel("Management token")).toBeVisible();
}

/** Call the gateway as an application does, and return the status. */
export async function call(baseUrl: string, secret: string, model: string): Promise<number> {
  const answer = await fetch(`${baseUrl}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] }),
  });
  await answer.text();
  return answer.status;
}
