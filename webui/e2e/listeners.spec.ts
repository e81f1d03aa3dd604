import type { APIRequestContext, Page } from "@playwright/test";
import { expect, test } from "./gateway";
import { Management, signIn } from "./management";
import { freeAddress, takePort } from "./ports";

const MOST = 80;

async function groups(request: APIRequestContext): Promise<Management> {
  const management = new Management(request);
  await management.serve("listened");
  const found = await management.get<object[]>("groups?search=listened-");
  if (found.length === 0)
    for (const name of ["listened-one", "listened-two"]) await management.post("groups", { name, members: [{ upstream: "listened" }] });
  return management;
}

const openPort = (page: Page) => page.getByRole("region", { name: "Port" }).getByText("Open", { exact: true });

test("a port that is taken stands at the address, and the listener opens once it is free", async ({ page, request }) => {
  await groups(request);
  const taken = await takePort();
  await signIn(page, "/listeners?act=new");
  const form = page.getByRole("dialog", { name: "New listener" });
  await form.getByLabel("Name").fill("late");
  const address = form.getByRole("textbox", { name: "Address" });
  await address.fill(taken.address);
  await form.getByRole("button", { name: "Create" }).click();
  await expect(address).toHaveAccessibleDescription(/use/);
  await expect(address).toBeFocused();
  await taken.giveBack();
  await form.getByRole("button", { name: "Create" }).click();
  await expect(page.getByRole("heading", { level: 2, name: "late" })).toBeVisible();
  await expect(openPort(page)).toBeVisible();

  // Deactivated, its port is free for others, and then it can't be activated.
  await page.getByRole("button", { name: "Deactivate" }).click();
  await expect(page.getByRole("region", { name: "Port" }).getByText("Closed")).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(openPort(page)).toBeVisible();
});

test("rules show in the order in which the gateway looks at them, and are moved by a keyboard", async ({ page, request }) => {
  const management = await groups(request);
  await management.post("listeners", {
    name: "ordered",
    address: await freeAddress(),
    default_group: "listened-one",
    rules: [
      { path: "/a/*", group: "listened-one", strip_prefix: "/a" },
      { header: "x-team", value: "billing", group: "listened-two" },
      { path: "/a/chat/completions", group: "listened-two" },
    ],
  });
  await signIn(page, "/listeners/ordered");
  const rules = page.getByRole("table", { name: "Rules" }).getByRole("row");
  await expect(rules).toHaveText([/Looked at/, /1\. \(listed as 3\).*completions/, /2\. \(listed as 1\)/, /3\. \(listed as 2\).*x-team is billing/]);

  await page.getByRole("button", { name: "Edit" }).click();
  const form = page.getByRole("dialog", { name: "Edit ordered" });
  await form.getByRole("button", { name: "Move rule 3 up" }).focus();
  await page.keyboard.press("Enter");
  await form.getByRole("button", { name: "Add rule" }).click();
  await expect(form.getByLabel("Path").nth(3)).toBeFocused();
  await form.getByRole("button", { name: "Save" }).click();
  await expect(form.getByText("give a path or a header, or remove this rule")).toBeVisible();
  await form.getByLabel("Path").nth(3).fill("/b/{number");
  await form.getByRole("group", { name: "Rule 4" }).getByRole("combobox", { name: "Group" }).fill("listened-two");
  await page.getByRole("option", { name: "listened-two" }).click();
  await form.getByRole("button", { name: "Save" }).click();
  // The server's word on the path stands at it.
  await expect(form.getByText(/braces are not balanced/)).toBeVisible();
  await form.getByLabel("Path").nth(3).fill("/b/{number:[0-9]+}");
  await form.getByRole("button", { name: "Save" }).click();
  await expect(form).toBeHidden();
  expect(await management.get("listeners/ordered")).toMatchObject({
    rules: [{ path: "/a/*" }, { path: "/a/chat/completions" }, { header: "x-team" }, { path: "/b/{number:[0-9]+}", group: "listened-two" }],
  });
});

test("the gateway's own ports are told as what they are", async ({ page }) => {
  await signIn(page, "/listeners");
  const own = page.getByRole("table", { name: "The gateway's own ports" });
  await expect(own.getByRole("row")).toHaveText([/What it is/, /main/, /console/, /grpc/], { useInnerText: true });
  await own.getByRole("link", { name: "console" }).click();
  await expect(page.getByText("TOLLKEEPER_CONSOLE_ADDRESS")).toBeVisible();
  await expect(page.getByRole("button", { name: "Edit" })).toBeHidden();
});

test("a keyboard alone makes a listener, and deletes it", async ({ page, request }) => {
  await groups(request);
  await signIn(page, "/listeners");
  await expect(page.getByRole("heading", { level: 2, name: "Listeners" })).toBeVisible();
  await page.keyboard.press("n");
  const form = page.getByRole("dialog", { name: "New listener" });
  await expect(form.getByLabel("Name")).toBeFocused();
  await page.keyboard.type("by-keys");
  await page.keyboard.press("Tab");
  await page.keyboard.type(await freeAddress());
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 2, name: "by-keys" })).toBeVisible();
  await tabTo(page, "Delete");
  await page.keyboard.press("Enter");
  await expect(page.getByLabel("Type by-keys to go on")).toBeFocused();
  await page.keyboard.type("by-keys");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 2, name: "Listeners" })).toBeVisible();
  await expect(page.getByRole("link", { name: "by-keys" })).toBeHidden();
});

/** Press Tab until the button with this name has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < MOST; presses++) {
    if ((await page.locator(":focus").filter({ hasText: new RegExp(`^${name}$`) }).count()) > 0) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not lead to ${name}`);
}
