import { entityName, oneOf, orderBy, type Reader, searchOf, type Shape, sought } from "./search";

/**
 * Make what the list of things with names keeps in its address, and what the page of one does. `act` is what is open over the page,
 * and `name` whose it is. `name` reads it, and `list` and `one` are what else there is.
 */
export function namedSearch<const Act extends string, List extends Shape, One extends Shape>(
  acts: readonly Act[],
  { name = entityName, list, one }: { name?: Reader<string>; list: List; one: One },
) {
  return {
    list: searchOf({ q: sought, order: orderBy(["name", "created_at", "updated_at"]), act: oneOf<Act | "new">(["new", ...acts]), name, ...list }),
    one: searchOf({ act: oneOf(acts), ...one }),
  };
}

/** Whether only what takes traffic is listed, or only what does not. */
export const active = oneOf(["yes", "no"]);
