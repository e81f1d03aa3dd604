import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { BreakerState, type UpstreamStatus } from "@tollkeeper/client/v1/status_service";
import { type ConnectFailure, ConnectReason } from "@tollkeeper/client/v1/upstream_service";
import type { Tone } from "../ui/StateBadge";

const REASONS: Record<ConnectReason, string> = {
  [ConnectReason.UNSPECIFIED]: "the connection failed",
  [ConnectReason.NAME]: "the host name does not resolve",
  [ConnectReason.REFUSED]: "nothing listens at the address and port",
  [ConnectReason.UNREACHABLE]: "no way leads to the address",
  [ConnectReason.TIMED_OUT]: "the connection was not made in time",
  [ConnectReason.CLOSED]: "the connection was closed before it was made",
  [ConnectReason.NO_TLS]: "what answers does not speak TLS",
  [ConnectReason.TLS_VERSION]: "no common version of TLS",
  [ConnectReason.TLS_REFUSED]: "the TLS handshake was refused",
  [ConnectReason.TLS_FAILED]: "the TLS handshake failed",
  [ConnectReason.CERTIFICATE_EXPIRED]: "a certificate has expired",
  [ConnectReason.CERTIFICATE_NOT_YET_VALID]: "a certificate is not valid yet",
  [ConnectReason.CERTIFICATE_WRONG_HOST]: "the certificate is for other hosts",
  [ConnectReason.CERTIFICATE_UNKNOWN_AUTHORITY]: "the certificate's authority is not trusted",
  [ConnectReason.CERTIFICATE_MISSING_INTERMEDIATE]: "the certificate came without its intermediate",
  [ConnectReason.CERTIFICATE_INVALID]: "the certificate can't be used",
  [ConnectReason.CLIENT_CERTIFICATE_WANTED]: "a client certificate is asked for, and none is configured",
  [ConnectReason.CLIENT_CERTIFICATE_REFUSED]: "the client certificate was not accepted",
  [ConnectReason.PROXY_CREDENTIALS]: "the proxy did not accept the credentials",
  [ConnectReason.PROXY_DENIED]: "the proxy lets no connection pass",
  [ConnectReason.PROXY_FAILED]: "the proxy could not connect to the upstream",
  [ConnectReason.PROXY_INVALID]: "the proxy does not speak HTTP",
  [ConnectReason.SETTINGS]: "the upstream's settings can't be used",
};

/** Say why a connection failed. */
export const connectReason = (failure: ConnectFailure): string =>
  `${REASONS[failure.reason] ?? "the connection failed"}${failure.atProxy ? " (at the proxy)" : ""}`;

const ERRORS: Record<string, string> = {
  connect: "can't be connected to",
  timeout: "did not answer in time",
  cut: "broke off its answer",
  garbage: "answered with what is not HTTP",
  redirect: "redirected to where the gateway does not follow",
};

/** Say what the latest failed call of an upstream came to, with its reason where that is known; empty if none failed. */
export function lastError({ lastError: kind, connectFailure }: UpstreamStatus): string {
  if (kind === "") return "";
  if (kind === "connect" && connectFailure) return connectReason(connectFailure);
  if (kind.startsWith("http_")) return `answered with status ${kind.slice(5)}`;
  return ERRORS[kind] ?? kind;
}

interface Trouble {
  text: string;
  at: Timestamp | undefined;
}

/** Say what is, or was last, the matter with an upstream: calls first, then connections and probes without a caller. */
export function troubleOf(status: UpstreamStatus): Trouble | undefined {
  const { breaker, connectFailure: failure, lastErrorAt, lastProbe: probe } = status;
  const text = lastError(status);
  if (text !== "") return { text, at: lastErrorAt };
  if (failure && (!failure.isOver || breaker !== BreakerState.CLOSED)) return { text: connectReason(failure), at: failure.failedAt };
  return probe && !probe.passed ? { text: `probe: ${probe.problem || "failed"}`, at: probe.probedAt } : undefined;
}

export interface State {
  tone: Tone;
  word: string;
}

/** Say how an upstream is, in a word. */
export function stateOf(isActive: boolean, status: UpstreamStatus | undefined): State {
  if (!isActive) return { tone: "neutral", word: "Out of traffic" };
  switch (status?.breaker) {
    case BreakerState.OPEN:
      return { tone: "bad", word: "Open" };
    case BreakerState.HALF_OPEN:
      return { tone: "busy", word: "Probing" };
    case BreakerState.CLOSED:
      return { tone: "good", word: "Closed" };
    default:
      return { tone: "neutral", word: "Not known" };
  }
}
