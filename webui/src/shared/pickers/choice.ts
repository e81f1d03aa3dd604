import { keepPreviousData } from "@tanstack/react-query";
import { isNoSuch } from "../api/errors";
import type { Choice, Chosen } from "./Picker";

/** How many things a picker shows; the server's search finds the others. */
export const SIZE = 20;
/** What was found stays until the next answer is there. */
export const kept = { placeholderData: keepPreviousData };

export const named = (all: readonly { name: string }[] | undefined): Choice[] => (all ?? []).map(({ name }) => ({ value: name, label: name }));

const KNOWN_MS = 60_000;
/** How things that are chosen are looked up, each by a question of its own. */
export const lookUp = { staleTime: KNOWN_MS };

/** What is chosen by its name is shown by it, whether or not the look-ups, in the same order, find it. */
export const byName = (names: readonly string[], found: readonly { error: unknown }[]): Chosen => ({
  known: names.map((name) => ({ value: name, label: name })),
  missing: names.filter((_, at) => isMissing(found[at])),
});

/** Return whether a look-up has found nothing. */
export const isMissing = (found: { error: unknown } | undefined): boolean => found !== undefined && found.error !== null && isNoSuch(found.error);
