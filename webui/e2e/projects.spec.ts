import { dataUrl, expect, test } from "./gateway";
import { call, Management, signIn } from "./management";

const MODEL = "projects-spec";

test.slow();

test.beforeEach(async ({ request }) => new Management(request).serve(MODEL));

test("a project is edited in the list, its key is never shown again, and its history tells of it", async ({ page, request }) => {
  const project = await new Management(request).project("Edited in the list");
  await signIn(page, "/projects?q=edited%20in");
  await page.getByRole("button", { name: "Actions of Edited in the list" }).click();
  await page.getByRole("menuitem", { name: "Edit" }).click();
  const drawer = page.getByRole("dialog", { name: "Edit project" });
  await drawer.getByLabel("OpenAI API key").fill("sk-own-key-of-the-project");
  await drawer.getByRole("button", { name: "Add a label" }).click();
  await page.keyboard.type("team");
  await page.keyboard.press("Tab");
  await page.keyboard.type("billing");
  await drawer.getByRole("button", { name: "Save" }).click();
  await expect(drawer).toBeHidden();
  expect(await page.content()).not.toContain("sk-own-key-of-the-project");

  await page.getByRole("link", { name: "Edited in the list", exact: true }).click();
  await expect(page.getByText("team = billing")).toBeVisible();
  const history = page.getByRole("table", { name: "History" });
  await expect(history.getByText("changed by UpdateProject")).toBeVisible();
  await expect(history.getByText("added by CreateProject")).toBeVisible();
  await page.goto(`/admin/projects/${project.id}?act=edit`);
  await expect(page.getByRole("dialog").getByRole("button", { name: "Replace openai api key" })).toBeVisible();
  await expect(page.getByRole("dialog").locator("input[type=password]")).toHaveCount(0);
});

test("what the gateway refuses stands at its field, which has the focus", async ({ page }) => {
  await signIn(page, "/projects?act=new");
  const drawer = page.getByRole("dialog", { name: "New project" });
  await drawer.getByRole("button", { name: "Create" }).click();
  const name = drawer.getByLabel("Name");
  await expect(name).toBeFocused();
  await expect(name).toHaveAttribute("aria-invalid", "true");
});

test("a project that is deactivated refuses its tokens until that is undone", async ({ page, request }) => {
  const management = new Management(request);
  const project = await management.project("Paused");
  const { token } = await management.token(project.id, "app");
  await signIn(page, `/projects/${project.id}`);
  expect(await call(`${dataUrl}/v1`, token, MODEL)).toBe(200);
  await page.getByRole("button", { name: "Deactivate" }).click();
  await expect(page.getByText("This project is inactive")).toBeVisible();
  expect(await call(`${dataUrl}/v1`, token, MODEL)).toBe(403);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByText("This project is inactive")).toBeHidden();
  expect(await call(`${dataUrl}/v1`, token, MODEL)).toBe(200);
});
