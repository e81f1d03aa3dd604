import { useQuery } from "@connectrpc/connect-query";
import { StatusService } from "@tollkeeper/client/v1/status_service";

export interface Port {
  name: string;
  address: string;
  isOpen: boolean;
  tls: boolean;
}

const CONSOLE = "console";
const OTHERS = new Set([CONSOLE, "grpc"]);
const ANY_HOST = new Set(["0.0.0.0", "[::]", "::"]);
const isLoopback = (host: string) => host === "localhost" || host === "[::1]" || host.startsWith("127.");
const portOf = (address: string) => address.slice(address.lastIndexOf(":") + 1);

/**
 * Return where applications call the gateway, without a slash at the end.
 *
 * It is a port of the data plane if this page speaks to the gateway directly, and its host can have that port, too. Behind a
 * proxy, and where the port is bound to another host, it is this page's own origin: the console's port serves the data
 * plane below /v1, too.
 */
export function dataUrlOf(ports: readonly Port[], { origin, protocol, hostname, port }: Pick<Location, "origin" | "protocol" | "hostname" | "port">): string {
  const own = ports.find((it) => it.name === CONSOLE);
  const here = port || (protocol === "https:" ? "443" : "80");
  if (own === undefined || portOf(own.address) !== here || own.tls !== (protocol === "https:")) return origin;
  const data = ports.find((it) => it.name === "main" && it.isOpen) ?? ports.find((it) => !OTHERS.has(it.name) && it.isOpen);
  if (data === undefined) return origin;
  const host = data.address.slice(0, data.address.lastIndexOf(":"));
  if (!ANY_HOST.has(host) && host !== hostname && !(isLoopback(host) && isLoopback(hostname))) return origin;
  return `${data.tls ? "https" : "http"}://${hostname}:${portOf(data.address)}`;
}

/** As dataUrlOf, of the gateway that answers. */
export function useDataUrl(): string {
  const { data } = useQuery(StatusService.method.listListenerStatus, {}, { staleTime: 60_000 });
  return dataUrlOf(data?.listeners ?? [], window.location);
}
