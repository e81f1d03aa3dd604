import AxeBuilder from "@axe-core/playwright";
import { expect, simulatorUrl, test } from "./gateway";
import { Management, signIn } from "./management";

for (const scheme of ["light", "dark"] as const)
  test(`what opens over upstreams, groups and models has nothing serious for axe, ${scheme}`, async ({ page, request }) => {
    test.setTimeout(300_000);
    const management = new Management(request);
    const name = `axe-${scheme}`;
    await management.post("upstreams", { name, provider: "openai", base_url: `${simulatorUrl}/v1`, api_key: "sk-1" });
    await management.post("groups", { name, members: [{ upstream: name }] });
    await management.post("models", { name, deployments: [{ upstream: name }] });
    await page.emulateMedia({ colorScheme: scheme });
    await signIn(page, "/upstreams");
    for (const [path, ready] of [
      [`/upstreams/${name}?act=edit`, "Replace API key"],
      [`/upstreams/${name}?act=test`, "The test passed"],
      [`/upstreams/${name}?act=key`, "New API key"],
      [`/upstreams/${name}?act=delete`, "It is in use"],
      [`/groups/${name}?act=edit`, "Add member"],
      [`/models/${name}?act=edit`, "Add deployment"],
    ] as const) {
      await page.goto(`/admin${path}`);
      await expect(page.getByText(ready).first()).toBeVisible();
      const { violations } = await new AxeBuilder({ page }).analyze();
      const grave = violations.filter((it) => it.impact === "serious" || it.impact === "critical");
      expect(grave.map((it) => [path, it.id, it.nodes.map((node) => node.html)])).toEqual([]);
    }
  });
