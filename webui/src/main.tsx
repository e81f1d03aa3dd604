import "./app/policy";
import "@mantine/core/styles.layer.css";
import "@mantine/notifications/styles.layer.css";
import "./app/theme.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { surviveUpgrade } from "./app/upgrade";

surviveUpgrade();
const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
