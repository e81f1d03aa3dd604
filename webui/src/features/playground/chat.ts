import type { ChatBody } from "../../shared/ui/snippets";
import { eventsOf } from "./sse";

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface ChatRequest {
  token: string;
  model: string;
  messages: readonly ChatMessage[];
  temperature?: number | undefined;
  maxTokens?: number | undefined;
}

interface ChatUsage {
  prompt: number;
  completion: number;
}

/** What is known of an answer while it arrives, and at its end. Times are milliseconds since the request was sent. */
export interface Answer {
  text: string;
  requestId?: string | undefined;
  model?: string | undefined;
  usage?: ChatUsage | undefined;
  finish?: string | undefined;
  firstTokenMs?: number | undefined;
  totalMs?: number | undefined;
}

/** An answer that is a refusal, as the caller of the gateway sees it. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly body: string,
    readonly requestId: string | undefined,
  ) {
    super(`HTTP ${status}`);
  }
}

const BASE = "/admin/playground/v1";
/** Says as which token the session calls. */
const ACTING = "x-tollkeeper-token";

interface Chunk {
  model?: string;
  choices?: { delta?: { content?: string | null; reasoning_content?: string | null }; finish_reason?: string | null }[];
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
  error?: unknown;
}

/** The body of a chat that is streamed, as OpenAI's API takes it. */
export const bodyOf = ({ model, messages, temperature, maxTokens }: Omit<ChatRequest, "token">): ChatBody => ({
  model,
  messages,
  stream: true,
  stream_options: { include_usage: true },
  ...(temperature === undefined ? {} : { temperature }),
  ...(maxTokens === undefined ? {} : { max_completion_tokens: maxTokens }),
});

/**
 * Send a chat through the gateway as a token, and tell of the answer as it grows.
 * @throws Refusal if it is refused, or the answer ends in an error; DOMException named AbortError if `signal` stops it.
 */
export async function chat(request: ChatRequest, signal: AbortSignal, tell: (answer: Answer) => void): Promise<void> {
  const began = performance.now();
  const response = await fetch(`${BASE}/chat/completions`, {
    method: "POST",
    credentials: "same-origin",
    headers: { "content-type": "application/json", [ACTING]: request.token },
    body: JSON.stringify(bodyOf(request)),
    signal,
  });
  const requestId = response.headers.get("x-request-id") ?? undefined;
  if (!response.ok || !response.body) throw new Refusal(response.status, await response.text(), requestId);
  let answer: Answer = { text: "", requestId };
  tell(answer);
  for await (const data of eventsOf(response.body)) {
    if (data === "[DONE]") break;
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error !== undefined) throw new Refusal(response.status, data, requestId);
    answer = grown(answer, chunk, performance.now() - began);
    tell(answer);
  }
  tell({ ...answer, totalMs: performance.now() - began });
}

/** Return an answer with what a chunk adds to it, `ms` after the request was sent. */
export function grown(answer: Answer, { model, choices, usage }: Chunk, ms: number): Answer {
  const [choice] = choices ?? [];
  const more = choice?.delta?.content ?? "";
  return {
    ...answer,
    text: answer.text + more,
    model: model ?? answer.model,
    finish: choice?.finish_reason ?? answer.finish,
    firstTokenMs: answer.firstTokenMs ?? (more === "" ? undefined : ms),
    usage: usage ? { prompt: usage.prompt_tokens ?? 0, completion: usage.completion_tokens ?? 0 } : answer.usage,
  };
}

/** The names of the models that a token may call, as the gateway lists them for it. */
export async function modelsOf(token: string, signal: AbortSignal): Promise<string[]> {
  const response = await fetch(`${BASE}/models`, { credentials: "same-origin", headers: { [ACTING]: token }, signal });
  const text = await response.text();
  if (!response.ok) throw new Refusal(response.status, text, response.headers.get("x-request-id") ?? undefined);
  return (JSON.parse(text) as { data: { id: string }[] }).data.map(({ id }) => id);
}
