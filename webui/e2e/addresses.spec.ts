import { expect, test } from "./gateway";
import { Management, signIn } from "./management";

const KINDS = ["project", "token", "upstream", "group", "model", "listener"] as const;
const NAMED = ["upstream", "group", "model", "listener"] as const;
const NO_PROJECT = "prj_01jzzzzzzzzzzzzzzzzzzzzzzz";
const NO_TOKEN = "tok_01jzzzzzzzzzzzzzzzzzzzzzzz";

test.slow();

test("the page of something that does not exist says so, and leads to the list", async ({ page }) => {
  await signIn(page);
  for (const kind of KINDS)
    for (const id of ["nope", ...(kind === "project" ? [NO_PROJECT] : kind === "token" ? [NO_TOKEN] : kind === "group" ? ["no name"] : [])]) {
      const title = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
      await page.goto(`/admin/${kind}s/${encodeURIComponent(id)}?act=${kind === "project" || kind === "token" ? "edit" : "delete"}`);
      await expect(page.getByRole("heading", { level: 3, name: `There is no such ${kind}` }), id).toBeVisible();
      await expect(page.getByRole("heading", { level: 2, name: title, exact: true })).toBeVisible();
      await expect(page.getByRole("dialog")).toHaveCount(0);
      await page.getByRole("link", { name: `To the ${kind}s` }).click();
      await expect(page.getByRole("heading", { level: 2, name: `${title}s`, exact: true })).toBeVisible();
    }
});

test("a dialog about something that does not exist says so", async ({ page }) => {
  await signIn(page);
  const places = [
    ...NAMED.flatMap((kind) => ["edit", "delete"].map((act) => ({ kind, path: `${kind}s?act=${act}&name=nope` }))),
    ...["test", "key"].map((act) => ({ kind: "upstream", path: `upstreams?act=${act}&name=nope` })),
    { kind: "project", path: `projects?act=edit&id=${NO_PROJECT}` },
    { kind: "token", path: `tokens?act=edit&id=${NO_TOKEN}` },
  ];
  for (const { kind, path } of places) {
    await page.goto(`/admin/${path}`);
    const dialog = page.getByRole("dialog", { name: `There is no such ${kind}` });
    await expect(dialog, path).toBeVisible();
    await dialog.getByRole("button", { name: "Close" }).last().click();
    await expect(page.getByRole("dialog")).toHaveCount(0);
    await expect(page).toHaveURL(new RegExp(`/admin/${kind}s$`));
  }
});

test("what makes no sense in an address is left out, and the page shows what is usual", async ({ page, request }) => {
  await new Management(request).project("Behind a strange address");
  await signIn(page);
  const lists = "q=%00&order=colour&state=sleeping&active=maybe&act=explode&name=no%20name&id=nope&zone=Mars%2FBase";
  const ranges = "range=2h&from=yesterday&to=tomorrow&status=teapot&project=nope&token=7&interval=eon&group=colour&measure=luck&top=-3&zone=Mars%2FBase";
  for (const [path, title] of [
    [`projects?${lists}`, "Projects"],
    [`tokens?${lists}&project=nope`, "Tokens"],
    [`upstreams?${lists}`, "Upstreams"],
    [`groups?${lists}`, "Groups"],
    [`models?${lists}&upstream=no%20name`, "Models"],
    [`listeners?${lists}`, "Listeners"],
    [`usage?${ranges}`, "Usage"],
    [`calls?${ranges}`, "Calls"],
    [`?${ranges}`, "Overview"],
    ["tester?listener=no%20name&method=BREW&token=nope&path=%2Fv1%2Fmodels&header=x-a%3A%20%01", "Route tester"],
    ["playground?token=nope", "Playground"],
    ["settings?tab=revisions&kind=colour&from=x&to=-1", "Settings"],
  ] as const) {
    await page.goto(`/admin/${path}`);
    await expect(page.getByRole("heading", { level: 2, name: title, exact: true }), path).toBeVisible();
    await expect(page.locator("main [aria-busy=true], main .mantine-Skeleton-root"), path).toHaveCount(0);
    await expect(page.getByRole("alert").filter({ hasText: "can't" }), path).toHaveCount(0);
    await expect(page.getByRole("dialog"), path).toHaveCount(0);
    expect(new URL(page.url()).search, path).not.toContain("Mars");
  }
  await page.goto(`/admin/projects?${lists}`);
  await expect(page.getByRole("link", { name: "Behind a strange address", exact: true })).toBeVisible();
  await page.goto(`/admin/usage?${ranges}`);
  await expect(page.getByRole("radio", { name: "24h" })).toBeChecked();
  await expect(page.getByRole("button", { name: "Filters", exact: true })).toBeVisible();
});

test("a filter by something that does not exist says so, and can be cleared", async ({ page, request }) => {
  const management = new Management(request);
  const project = await management.project("With a token to find");
  await management.token(project.id, "to be found");
  await signIn(page, `/tokens?q=to%20be%20found&project=${NO_PROJECT}`);
  await expect(page.getByText(`No project has the id ${NO_PROJECT}`)).toBeVisible();
  await page.getByRole("button", { name: "Clear filters" }).click();
  await expect(page.getByText(`No project has the id ${NO_PROJECT}`)).toBeHidden();

  await page.goto(`/admin/calls?project=${NO_PROJECT}&token=${NO_TOKEN}&upstream=nope`);
  for (const said of [`No project has the id ${NO_PROJECT}`, `No token has the id ${NO_TOKEN}`, "No upstream has the name nope"])
    await expect(page.getByText(said)).toBeVisible();
  await page.getByRole("button", { name: "Clear filters" }).first().click();
  await expect(page).toHaveURL(/\/admin\/calls$/);

  await page.goto(`/admin/playground?token=${NO_TOKEN}`);
  await expect(page.getByText(`No token has the id ${NO_TOKEN}`)).toBeVisible();
  await page.goto("/admin/tester?listener=nope&path=%2Fv1%2Fmodels");
  await expect(page.getByText("No listener has the name nope")).toBeVisible();
});
