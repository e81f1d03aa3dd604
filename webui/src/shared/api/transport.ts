import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { QueryClient } from "@tanstack/react-query";
import { isTransient, isUnreachable } from "./errors";
import { reach } from "./reach";

const TIMEOUT_MS = 15_000;
const RETRIES = 2;

/** Make the way to the management services. The session's cookie says who calls; `signedOut` hears that it ended. */
export function createTransport(signedOut: () => void): Transport {
  const noticeEnd: Interceptor = (next) => async (request) => {
    try {
      const answer = await next(request);
      reach.back();
      return answer;
    } catch (error) {
      const failure = ConnectError.from(error);
      if (failure.code === Code.Unauthenticated) signedOut();
      if (isUnreachable(failure) && !request.signal.aborted) reach.lost();
      throw error;
    }
  };
  return createConnectTransport({
    baseUrl: window.location.origin,
    useBinaryFormat: true,
    defaultTimeoutMs: TIMEOUT_MS,
    interceptors: [noticeEnd],
    fetch: (input, init) => fetch(input, { ...init, credentials: "same-origin" }),
  });
}

export const createQueryClient = (): QueryClient =>
  new QueryClient({
    defaultOptions: {
      // A hidden page asks for nothing: refetchInterval stops, and the next focus asks anew. A browser that says it is
      // offline may have the gateway on the same machine: what can't be reached fails, and is said.
      queries: {
        staleTime: 5_000,
        networkMode: "always",
        refetchIntervalInBackground: false,
        retry: (count, error) => count < RETRIES && isTransient(error),
      },
      mutations: { networkMode: "always", retry: false },
    },
  });
