import { TransportProvider } from "@connectrpc/connect-query";
import { MantineProvider } from "@mantine/core";
import { focusManager, QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useEffectEvent, useRef } from "react";
import { session, useSession } from "../features/session/session";
import { createQueryClient, createTransport } from "../shared/api/transport";
import { Broken } from "./Broken";
import { nonce } from "./policy";
import { readable, theme } from "./theme";

// Loaded beside the first question to the gateway, and no part of what the sign-in waits for.
const loading = import("./Console");
const Console = lazy(() => loading.then((it) => ({ default: it.Console })));
const SignIn = lazy(() => import("../features/session/SignIn").then((it) => ({ default: it.SignIn })));
const SignInAgain = lazy(() => import("../features/session/SignInAgain").then((it) => ({ default: it.SignInAgain })));
const Notifications = lazy(() => import("@mantine/notifications").then((it) => ({ default: it.Notifications })));
const queries = createQueryClient();
const transport = createTransport(() => session.lost());

/** As in index.html, which shows it until the application is there. */
const BOOT = <p className="tk-boot" role="status">Loading the console…</p>;

export function App() {
  const state = useSession();
  useEffect(() => void session.ask(), []);
  const wasLost = useRef(false);
  useEffect(() => {
    // What one person saw is nothing for the next.
    if (state === "signed out") queries.clear();
    // Without a session nothing is asked; with the next one all of it is.
    if (state === "lost") focusManager.setFocused(false);
    else if (wasLost.current) {
      focusManager.setFocused(undefined);
      void queries.invalidateQueries();
    }
    wasLost.current = state === "lost";
  }, [state]);
  const isLost = useEffectEvent(() => state === "lost");
  useEffect(() => {
    // Heard before all others: a form under the sign-in stays open.
    const hold = (event: KeyboardEvent) => { if (event.key === "Escape" && isLost()) event.stopImmediatePropagation(); };
    window.addEventListener("keydown", hold, { capture: true });
    return () => window.removeEventListener("keydown", hold, { capture: true });
  }, []);
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" cssVariablesResolver={readable} getStyleNonce={() => nonce}>
      <TransportProvider transport={transport}>
        <QueryClientProvider client={queries}>
          <Suspense><Notifications position="bottom-right" /></Suspense>
          <Broken>
            {state === "unknown" && BOOT}
            {(state === "signed in" || state === "lost") && <Suspense fallback={BOOT}><Console /></Suspense>}
            {state === "lost" && <Suspense><SignInAgain /></Suspense>}
            {state === "signed out" && <Suspense fallback={BOOT}><SignIn /></Suspense>}
          </Broken>
        </QueryClientProvider>
      </TransportProvider>
    </MantineProvider>
  );
}
