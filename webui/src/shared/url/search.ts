/** Readers of the address's search part: each takes what stands there, and returns undefined for what it can't be. */
export type Reader<Value> = (raw: unknown) => Value | undefined;
export type Shape = Record<string, Reader<unknown>>;
export type SearchOf<Readers extends Shape> = { [Key in keyof Readers]?: Exclude<ReturnType<Readers[Key]>, undefined> };

const LONGEST = 512;
const MOST = 50;

/** A text of so many letters at most. */
export const textOf =
  (longest: number): Reader<string> =>
  (raw) => {
    // The router reads `?q=12` as a number.
    const written = typeof raw === "number" ? String(raw) : raw;
    return typeof written === "string" && written.length > 0 && written.length <= longest ? written : undefined;
  };

export const text: Reader<string> = textOf(LONGEST);

/** A text of a form that the gateway takes. */
export const matching =
  (form: RegExp): Reader<string> =>
  (raw) => {
    const written = text(raw);
    return written !== undefined && form.test(written) ? written : undefined;
  };

/** What is searched: the gateway takes no longer text, and no control characters. */
export const sought: Reader<string> = matching(/^[^\p{Cc}]{1,128}$/u);

export const projectId: Reader<string> = matching(/^prj_[0-9a-hjkmnp-tv-z]{26}$/);
export const tokenId: Reader<string> = matching(/^tok_[0-9a-hjkmnp-tv-z]{26}$/);
/** The name of an upstream, a group or a listener. */
export const entityName: Reader<string> = matching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
/** The name of a model, which callers may have made up. */
export const modelName: Reader<string> = textOf(256);

/** Several of a kind; those that can't be are left out. */
export const several =
  <Value>(reader: Reader<Value>): Reader<Value[]> =>
  (raw) => {
    const all = (Array.isArray(raw) ? raw : [raw]).map((it) => reader(it)).filter((it) => it !== undefined).slice(0, MOST);
    return all.length > 0 ? all : undefined;
  };

export const texts: Reader<string[]> = several(text);

export const flag: Reader<true> = (raw) => (raw === true || raw === "true" ? true : undefined);

/** A count, or a number that the gateway gave: whole, and not negative. */
export const number: Reader<number> = (raw) => (typeof raw === "number" && Number.isSafeInteger(raw) && raw >= 0 ? raw : undefined);

export const oneOf =
  <const Choice extends string>(choices: readonly Choice[]): Reader<Choice> =>
  (raw) =>
    choices.find((it) => it === raw);

/** The order of a list by one of these, and the reverse: "name", "name desc". */
export const orderBy = (names: readonly string[]): Reader<string> => oneOf(names.flatMap((it) => [it, `${it} desc`]));

/**
 * Make the `validateSearch` of a route: what a page keeps in its address, with everything else undefined.
 *
 * The router lays what comes from here over what stands in the address: a key that is left out would let it through.
 */
export const searchOf =
  <Readers extends Shape>(readers: Readers) =>
  (raw: Record<string, unknown>): SearchOf<Readers> => {
    const read = Object.entries(readers).map(([key, reader]) => [key, reader(raw[key])] as const);
    return Object.fromEntries(read) as SearchOf<Readers>;
  };

/** What becomes of some parts of an address; what becomes undefined leaves it. */
export type Change<Search extends object> = { [Key in keyof Search]?: Search[Key] | undefined };

/** Return `old` with `change`; what becomes undefined leaves the address. */
export const changed = <Search extends object>(old: Search, change: Change<Search>): Search =>
  Object.fromEntries(Object.entries({ ...old, ...change }).filter(([, value]) => value !== undefined)) as Search;
