import { entityName, flag, modelName, number, oneOf, type SearchOf, searchOf, text, texts, tokenId } from "../../shared/url/search";

const CHAT = "/v1/chat/completions";
export const METHODS = ["POST", "GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] as const;

const readers = { listener: entityName, method: oneOf(METHODS), path: text, model: modelName, token: tokenId, header: texts, streamed: flag, prompt: number, output: number, calls: number };

/** The request that the route tester asks about, as its address keeps it. Nothing is asked without a path. */
export const readTesterSearch = searchOf(readers);
export type TesterSearch = SearchOf<typeof readers>;

/** A request as the form has it; empty is none. */
export type TesterValues = { listener: string; method: string; path: string; model: string; token: string; headers: string; streamed: boolean } & Sizes;

/** The size of the prompt in bytes, the answer's maximum in tokens, and how many calls there are at once; 0 says nothing of it. */
interface Sizes {
  prompt: number;
  output: number;
  calls: number;
}

const MOST: Sizes = { prompt: 20_000_000, output: 100_000_000, calls: 1_000_000 };

export const readTester = (search: TesterSearch): TesterValues => ({
  listener: search.listener ?? "",
  method: search.method ?? "POST",
  path: search.path ?? CHAT,
  model: search.model ?? "",
  token: search.token ?? "",
  headers: (search.header ?? []).join("\n"),
  streamed: search.streamed ?? false,
  prompt: Math.min(search.prompt ?? 0, MOST.prompt),
  output: Math.min(search.output ?? 0, MOST.output),
  calls: Math.min(search.calls ?? 0, MOST.calls),
});

const lines = (headers: string): string[] => headers.split("\n").map((it) => it.trim()).filter((it) => it !== "");

export function writeTester({ headers, streamed, ...values }: TesterValues): TesterSearch {
  const header = lines(headers);
  const written = { ...values, method: values.method === "POST" ? "" : values.method, path: values.path.trim() || CHAT, model: values.model.trim() };
  return {
    ...Object.fromEntries(Object.entries(written).filter(([, it]) => it !== "" && it !== 0)),
    ...(header.length > 0 ? { header } : {}),
    ...(streamed ? { streamed } : {}),
  };
}

const WRITTEN = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64})\s*:\s*([\x20-\x7e]*)$/;
const CREDENTIALS = new Set(["authorization", "x-api-key", "api-key", "cookie", "proxy-authorization"]);

/** Return what is wrong with headers, one a line; secrets must not get into the address. */
export function headersProblem(headers: string): string | undefined {
  for (const line of lines(headers)) {
    const [, name] = WRITTEN.exec(line) ?? [];
    if (name === undefined) return `“${line}” is no header; write NAME: VALUE, one a line`;
    if (CREDENTIALS.has(name.toLowerCase())) return `${name} carries a secret, and the address of this page keeps headers; choose the token instead`;
  }
  return undefined;
}

/** Return the request of a search, as `explain` takes it. */
export const askOf = ({ listener, method, path, model, token, header, streamed, ...sizes }: TesterSearch) => ({
  listener: listener ?? "",
  method: method ?? "POST",
  path: path ?? CHAT,
  model: model ?? "",
  token: token ?? "",
  streamed: streamed ?? false,
  promptBytes: Math.min(sizes.prompt ?? 0, MOST.prompt),
  maxOutputTokens: Math.min(sizes.output ?? 0, MOST.output),
  calls: Math.min(sizes.calls ?? 0, MOST.calls),
  headers: (header ?? []).flatMap((line) => {
    const [, name, value] = WRITTEN.exec(line) ?? [];
    return name === undefined || CREDENTIALS.has(name.toLowerCase()) ? [] : [{ name, value: value ?? "" }];
  }),
});

/** Return whether the playground can send the same: a chat of a token at the gateway's own port. */
export const isChat = ({ listener, method, path, model, token, header }: TesterSearch): boolean =>
  listener === undefined && method === undefined && path === CHAT && model !== undefined && token !== undefined && header === undefined;
