import { useState } from "react";

/** Pages of a list that the server hands out one after the other, each with the token of the next. */
export interface Cursor {
  pageToken: string;
  number: number;
  first: () => void;
  previous: () => void;
  next: (pageToken: string) => void;
}

/** Walk a list by its page tokens. `key` names what is listed: with another one the walk starts anew. */
export function useCursor(key: string): Cursor {
  const [walk, setWalk] = useState<{ key: string; tokens: string[] }>({ key, tokens: [""] });
  const tokens = walk.key === key ? walk.tokens : [""];
  const go = (to: string[]) => setWalk({ key, tokens: to });
  return {
    pageToken: tokens.at(-1) ?? "",
    number: tokens.length,
    first: () => go([""]),
    previous: () => go(tokens.length > 1 ? tokens.slice(0, -1) : tokens),
    next: (pageToken) => go([...tokens, pageToken]),
  };
}
