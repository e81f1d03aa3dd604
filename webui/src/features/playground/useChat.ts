import { useRef, useState } from "react";
import { type Answer, chat, type ChatMessage, type ChatRequest, Refusal } from "./chat";

/** One question and what came of it. */
export interface Turn {
  question: string;
  answer: Answer;
  refusal?: Refusal;
  /** Why no answer came, where it was no refusal. */
  problem?: string;
  stopped: boolean;
}

interface Chat {
  turns: readonly Turn[];
  busy: boolean;
  ask: (question: string, settings: Omit<ChatRequest, "messages">, system: string) => Promise<void>;
  stop: () => void;
  clear: () => void;
}

/** The messages of a conversation: what failed or was left without an answer is not sent again. */
export function messagesOf(turns: readonly Turn[], question: string, system: string): ChatMessage[] {
  return [
    ...(system === "" ? [] : [{ role: "system", content: system } as const]),
    ...turns
      .filter((it) => it.answer.text !== "" && !it.refusal && !it.problem)
      .flatMap((it) => [{ role: "user", content: it.question } as const, { role: "assistant", content: it.answer.text } as const]),
    { role: "user", content: question },
  ];
}

/** The messages of the call that would be sent, and where nothing is typed, of the one that was sent last. */
export function messagesToCopy(turns: readonly Turn[], question: string, system: string): ChatMessage[] {
  const last = turns.at(-1);
  if (question.trim() === "" && last) return messagesOf(turns.slice(0, -1), last.question, system);
  return messagesOf(turns, question.trim() === "" ? "Hello" : question, system);
}

/** A conversation with a model through the gateway. It lives as long as its page. */
export function useChat(): Chat {
  const [turns, setTurns] = useState<readonly Turn[]>([]);
  const [busy, setBusy] = useState(false);
  const abort = useRef<AbortController>(undefined);
  const amend = (change: Partial<Turn>) => setTurns((old) => old.map((it, index) => (index === old.length - 1 ? { ...it, ...change } : it)));
  return {
    turns,
    busy,
    async ask(question, settings, system) {
      const messages = messagesOf(turns, question, system);
      const controller = new AbortController();
      abort.current = controller;
      setBusy(true);
      setTurns((old) => [...old, { question, answer: { text: "" }, stopped: false }]);
      try {
        await chat({ ...settings, messages }, controller.signal, (answer) => amend({ answer }));
      } catch (error) {
        if (controller.signal.aborted) amend({ stopped: true });
        else if (error instanceof Refusal) amend({ refusal: error });
        else amend({ problem: error instanceof Error ? error.message : String(error) });
      } finally {
        setBusy(false);
      }
    },
    stop: () => abort.current?.abort(),
    clear: () => {
      abort.current?.abort();
      setTurns([]);
    },
  };
}
