import { type BrowserContext, expect, test as anyTest } from "@playwright/test";

function given(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; make test-ui starts gateways and sets it`);
  return value;
}

/** The console's port of a gateway without any configuration; the one over TLS has a store of its own. */
export const consoleUrl = given("CONSOLE_URL");
export const tlsConsoleUrl = given("TLS_CONSOLE_URL");
/** One that stays without any until the first run, and one that has what a company has (tests/ui/company.py). */
export const firstConsoleUrl = given("FIRST_CONSOLE_URL");
export const companyConsoleUrl = given("COMPANY_CONSOLE_URL");
/** Where applications call the first of them, without a path. */
export const dataUrl = given("DATA_URL");
/** A simulated provider, without a path. */
export const simulatorUrl = given("SIMULATOR_URL");
export const managementToken = given("MANAGEMENT_TOKEN");

// Chromium's words for an answer with an error status, which a test may ask for.
const REFUSED = "Failed to load resource";

async function watch(context: BrowserContext, found: string[]): Promise<void> {
  await context.exposeFunction("noteViolation", (text: string) => found.push(text));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      const { noteViolation } = window as unknown as { noteViolation: (text: string) => void };
      noteViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`);
    });
  });
  context.on("weberror", (error) => found.push(String(error.error())));
  context.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith(REFUSED)) found.push(message.text());
  });
}

interface Watching {
  /** Begin another browser, watched like the first. */
  anotherBrowser: () => Promise<BrowserContext>;
  /** What no test may find: errors, and violations of the page's policy. A test that causes some takes them out. */
  found: string[];
}

/** As Playwright's, and fails when a page did what its policy forbids, threw an error that nobody caught, or logged one. */
export const test = anyTest.extend<Watching>({
  found: async ({ browserName }, use) => {
    const found: string[] = [];
    await use(found);
    expect(found, `violations of the policy, and errors, in ${browserName}`).toEqual([]);
  },
  context: async ({ context, found }, use) => {
    await watch(context, found);
    await use(context);
  },
  anotherBrowser: async ({ browser, baseURL, found }, use) => {
    const made: BrowserContext[] = [];
    await use(async () => {
      const context = await browser.newContext({ baseURL: baseURL ?? "", ignoreHTTPSErrors: true });
      made.push(context);
      await watch(context, found);
      return context;
    });
    await Promise.all(made.map((it) => it.close()));
  },
});
export { expect };
