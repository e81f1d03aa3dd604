import { flag, number, oneOf, type SearchOf, searchOf, sought, text } from "../../shared/url/search";

export const TABS = ["gateway", "limits", "settings", "revisions", "sessions"] as const;
export const KINDS = ["project", "upstream", "group", "model", "listener", "gateway"] as const;

const readers = {
  tab: oneOf(TABS),
  /** Of the settings: what is searched, and whether only those show that something sets. */
  q: sought,
  set: flag,
  /** Of the revisions: the kind of what was changed, one that is chosen, and two that are compared. */
  kind: oneOf(KINDS),
  pick: number,
  from: number,
  to: number,
  /** What is open: the form of the limits, or of the sessions what is asked before it is done. */
  act: oneOf(["limits", "end", "end-all"]),
  id: text,
};

/** What the settings keep in their address. */
export const readSettingsSearch = searchOf(readers);
export type SettingsSearch = SearchOf<typeof readers>;
