import { useSyncExternalStore } from "react";

/** Whether somebody is signed in: unknown until the gateway answered, and lost if the session ended under an open page. */
export type SessionState = "unknown" | "signed in" | "signed out" | "lost";

const PATH = "/admin/session";
const UNAUTHENTICATED = 401;
let state: SessionState = "unknown";
const listeners = new Set<() => void>();

function become(next: SessionState): void {
  if (next === state) return;
  state = next;
  for (const listener of listeners) listener();
}

/** Why a sign-in did not succeed, for people. */
class SignInError extends Error {}

async function why(answer: Response): Promise<string> {
  if (answer.status === UNAUTHENTICATED) return "This is not the management token.";
  if (answer.status === 429) {
    const wait = answer.headers.get("retry-after");
    return `Too many attempts. Try again ${wait ? `in ${wait} seconds` : "in a minute"}.`;
  }
  const said = (await answer.json().catch(() => undefined)) as { error?: { message?: string }; message?: string } | undefined;
  return said?.error?.message ?? said?.message ?? `The gateway answered with status ${answer.status}.`;
}

/** The session of this browser. Its secret is in a cookie that no script can read. */
export const session = {
  /** Ask the gateway whether the cookie is that of a session, and return whether it answered. */
  async ask(): Promise<boolean> {
    try {
      const answer = await fetch(PATH, { credentials: "same-origin", cache: "no-store" });
      if (answer.ok) become("signed in");
      // A gateway without its store can't tell: that ends nothing.
      else if (answer.status === UNAUTHENTICATED || state === "unknown") session.lost();
      return true;
    } catch {
      if (state === "unknown") become("signed out");
      return false;
    }
  },
  /**
   * Begin a session with the management token.
   * @throws SignInError if the gateway refuses, or can't be reached.
   */
  async begin(token: string): Promise<void> {
    let answer: Response;
    try {
      answer = await fetch(PATH, {
        method: "POST",
        credentials: "same-origin",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ token }),
      });
    } catch {
      throw new SignInError("The gateway can't be reached.");
    }
    if (!answer.ok) throw new SignInError(await why(answer));
    become("signed in");
  },
  /** End the session at the gateway and here. */
  async end(): Promise<void> {
    await fetch(PATH, { method: "DELETE", credentials: "same-origin" }).catch(() => undefined);
    become("signed out");
  },
  /** Notice that the gateway does not know the session. */
  lost(): void {
    become(state === "signed in" || state === "lost" ? "lost" : "signed out");
  },
};

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useSession = (): SessionState => useSyncExternalStore(subscribe, () => state);
