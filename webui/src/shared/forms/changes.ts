const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** Return whether two values of a form say the same. */
export const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/** Return the fields whose values differ. */
export const changedFields = <Values extends Record<string, unknown>>(before: Values, after: Values): (keyof Values & string)[] =>
  Object.keys(after).filter((key) => !isSame(before[key], after[key]));

/** Return the path of every value in a form, as in `policy.retry.attempts` and `members.0.weight`. */
export function pathsOf(values: Record<string, unknown>, before = ""): string[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const path = `${before}${key}`;
    if (isObject(value)) return [path, ...pathsOf(value, `${path}.`)];
    if (!Array.isArray(value)) return [path];
    const items = value.flatMap((item: unknown, at) => (isObject(item) ? pathsOf(item, `${path}.${at}.`) : [`${path}.${at}`]));
    return [path, ...items];
  });
}

/** The name of a field as an update mask has it. */
export const maskPath = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
