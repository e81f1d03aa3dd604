import { PartState, SettingSource } from "@tollkeeper/client/v1/status_service";
import type { Tone } from "../../shared/ui/StateBadge";

/** The parts of a process, and what each does. */
export const PARTS: Record<string, { title: string; does: string }> = {
  store: { title: "Store", does: "keeps the configuration, tokens and usage" },
  configuration: { title: "Configuration", does: "is the one that is stored" },
  redis: { title: "Redis", does: "shares tokens and changes with other processes" },
  listeners: { title: "Ports", does: "are open" },
  certificate: { title: "Certificate", does: "is shown to callers over TLS" },
  snapshot: { title: "Snapshot", does: "is the compiled configuration that requests are served by" },
  draining: { title: "Draining", does: "lets requests end before the process does" },
  journal: { title: "Journal", does: "holds usage until it is stored" },
};

export const STATES: Record<PartState, { tone: Tone; word: string }> = {
  [PartState.UNSPECIFIED]: { tone: "neutral", word: "Not known" },
  [PartState.OK]: { tone: "good", word: "Works" },
  [PartState.DEGRADED]: { tone: "warning", word: "Degraded" },
  [PartState.FAILED]: { tone: "bad", word: "Failed" },
  [PartState.ABSENT]: { tone: "neutral", word: "Not configured" },
};

export const SOURCES: Record<SettingSource, string> = {
  [SettingSource.UNSPECIFIED]: "not known",
  [SettingSource.DEFAULT]: "default",
  [SettingSource.FILE]: "settings file",
  [SettingSource.ENVIRONMENT]: "environment",
  [SettingSource.OPTION]: "command line",
};

const BROWSERS: readonly [sign: RegExp, name: string][] = [
  [/Edg\//, "Edge"],
  [/OPR\//, "Opera"],
  [/Firefox\//, "Firefox"],
  [/Chrome\/|Chromium\//, "Chrome"],
  [/Safari\//, "Safari"],
];
const SYSTEMS: readonly [sign: RegExp, name: string][] = [
  [/Android/, "Android"],
  [/iPhone|iPad/, "iOS"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/Linux/, "Linux"],
];

/** Say in a few words what calls itself so. */
export function browserOf(userAgent: string): string {
  const browser = BROWSERS.find(([sign]) => sign.test(userAgent))?.[1];
  const system = SYSTEMS.find(([sign]) => sign.test(userAgent))?.[1];
  if (browser === undefined) return userAgent || "not said";
  return system === undefined ? browser : `${browser} on ${system}`;
}
