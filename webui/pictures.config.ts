import { defineConfig } from "@playwright/test";
import usual from "./playwright.config";

// `make pictures` takes them, into webui/pictures.
export default defineConfig({ ...usual, testMatch: "**/pictures.ts", projects: [{ name: "pictures" }] });
