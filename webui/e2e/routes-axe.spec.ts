import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "./gateway";
import { Management, signIn } from "./management";
import { freeAddress } from "./ports";

const PLACES = (token: string): [path: string, ready: string][] => [
  ["/listeners", "The gateway's own ports"],
  ["/listeners/pictured", "In the order in which the gateway looks at them"],
  ["/listeners/main", "TOLLKEEPER_DATA_ADDRESS"],
  ["/listeners/pictured?act=edit", "Add rule"],
  ["/listeners/pictured?act=delete", "Its port is closed"],
  [`/tester?path=/v1/chat/completions&model=pictured&token=${token}`, "in the order of tries"],
  ["/tester?path=/v1/chat/completions&model=pictured", "refused"],
  ["/settings", "Confirmed by the store"],
  ["/settings?tab=settings", "Search name, description, variable"],
  ["/settings?tab=revisions&from=1&to=3", "From revision 1 to 3"],
  ["/settings?tab=sessions", "this one"],
  ["/settings?tab=sessions&act=end-all", "Stay signed in here"],
];

async function prepare(management: Management): Promise<string> {
  await management.serve("pictured");
  const listeners = await management.get<object[]>("listeners?search=pictured");
  if (listeners.length === 0) {
    await management.post("groups", { name: "pictured", members: [{ upstream: "pictured" }] });
    const rules = [{ path: "/pictured/*", header: "x-tier", pattern: "gold|silver", group: "pictured", strip_prefix: "/pictured" }];
    await management.post("listeners", { name: "pictured", address: await freeAddress(), default_group: "pictured", ip_limit: {}, rules });
  }
  return (await management.token((await management.project("Pictured")).id, "pictured")).id;
}

for (const colorScheme of ["light", "dark"] as const)
  test(`listeners, the tester and the settings have nothing serious for axe, ${colorScheme}`, async ({ page, request }) => {
    test.setTimeout(300_000);
    const token = await prepare(new Management(request));
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await signIn(page, "/listeners");
    for (const [path, ready] of PLACES(token)) {
      await page.goto(`/admin${path}`);
      await expect(page.getByText(ready).first(), path).toBeVisible();
      const { violations } = await new AxeBuilder({ page }).analyze();
      const grave = violations.filter((it) => it.impact === "serious" || it.impact === "critical");
      expect.soft(grave.map((it) => [path, it.id, it.nodes.map((node) => node.html)])).toEqual([]);
    }
  });

test("listeners, the tester and the settings fit a phone", async ({ page, request }) => {
  test.setTimeout(300_000);
  const token = await prepare(new Management(request));
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn(page, "/listeners");
  for (const [path, ready] of PLACES(token)) {
    await page.goto(`/admin${path}`);
    await expect(page.getByText(ready).first(), path).toBeVisible();
    expect.soft(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), path).toBe(0);
  }
});
