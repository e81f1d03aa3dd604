import { defineConfig } from "@playwright/test";
import { consoleUrl, tlsConsoleUrl } from "./e2e/gateway";

// `make test-ui` starts what is named here (tests/ui).
export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results",
  // Tests share a gateway: one after the other.
  workers: 1,
  // Machines that do much else are slow, and no test is about speed.
  timeout: 120_000,
  expect: { timeout: 20_000 },
  // A browser beside what else a machine for tests does loses a key or a click now and then. The list says which were tried again.
  retries: process.env["CI"] ? 2 : 0,
  forbidOnly: Boolean(process.env["CI"]),
  reporter: "list",
  use: {
    headless: true,
    actionTimeout: 30_000,
    ignoreHTTPSErrors: true,
    trace: "on-first-retry",
    launchOptions: {
      executablePath: process.env["CHROMIUM"] ?? "chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  projects: [
    { name: "http", use: { baseURL: consoleUrl } },
    { name: "tls", grep: /@tls/, use: { baseURL: tlsConsoleUrl } },
  ],
});
