import type { Page } from "@playwright/test";

/** Have the gateway fail to answer some method of its management, from the next request on. The page does not try such an error again. */
export async function failReads(page: Page, method: string): Promise<void> {
  const body = JSON.stringify({ code: "internal", message: "made to fail" });
  await page.route(`**/tollkeeper.v1.${method}`, (route) => route.fulfill({ status: 500, contentType: "application/json", body }));
}
