import {
  IconActivity,
  IconAdjustments,
  IconBox,
  IconChartBar,
  IconFolder,
  IconHome,
  IconKey,
  IconMessage,
  IconPlug,
  IconRoute,
  IconServer,
  IconStack2,
} from "@tabler/icons-react";

/** The pages of the navigation. After g, `key` leads to one. */
export const pages = [
  { to: "/", label: "Overview", icon: IconHome, key: "o" },
  { to: "/projects", label: "Projects", icon: IconFolder, key: "p" },
  { to: "/tokens", label: "Tokens", icon: IconKey, key: "t" },
  { to: "/upstreams", label: "Upstreams", icon: IconServer, key: "u" },
  { to: "/groups", label: "Groups", icon: IconStack2, key: "r" },
  { to: "/models", label: "Models", icon: IconBox, key: "m" },
  { to: "/listeners", label: "Listeners", icon: IconPlug, key: "l" },
  { to: "/tester", label: "Route tester", icon: IconRoute, key: "e" },
  { to: "/usage", label: "Usage", icon: IconChartBar, key: "a" },
  { to: "/calls", label: "Calls", icon: IconActivity, key: "c" },
  { to: "/playground", label: "Playground", icon: IconMessage, key: "y" },
  { to: "/settings", label: "Settings", icon: IconAdjustments, key: "s" },
] as const;

