import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `make ui-dev` serves the sources with hot reload, and sends everything else to a running gateway.
const gateway = process.env["GATEWAY"] ?? "http://127.0.0.1:8080";
const proxied = { target: gateway, changeOrigin: false, secure: false };

export default defineConfig({
  base: "/admin/",
  plugins: [react()],
  // The client generated from proto/ is linked; what it imports is found from here.
  resolve: { preserveSymlinks: true },
  build: {
    // webui/build.py builds beside what is served.
    outDir: process.env["WEBUI_OUT"] ?? "dist",
    target: "baseline-widely-available",
    manifest: true,
    reportCompressedSize: false,
    // The entry has a bound of its own, which a test holds after the build.
    chunkSizeWarningLimit: 800,
    // Inlined data: URLs would need an exception in the policy of the page.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // What is linked is found by Vite, and not by Node.
  test: { include: ["src/**/*.test.ts"], server: { deps: { inline: [/@tollkeeper/] } } },
  server: {
    host: "127.0.0.1",
    port: 5173,
    proxy: {
      "^/tollkeeper\\.v1\\.": proxied,
      "/admin/session": proxied,
      "/admin/playground/v1": proxied,
      "/manage": proxied,
      // The console's port serves the data plane, too, and pages name it so where no other is known to be right.
      "/v1": proxied,
    },
  },
});
