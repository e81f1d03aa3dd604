import { createClient } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { ConfigurationService } from "@tollkeeper/client/v1/configuration_service";
import { StatusService } from "@tollkeeper/client/v1/status_service";
import { type Upstream, UpstreamService } from "@tollkeeper/client/v1/upstream_service";
import { useMemo } from "react";
import { useRefresh } from "../../shared/api/useRefresh";
import { offerUndo } from "../../shared/ui/undo";

/** Calls that change upstreams; `renew` has everything read anew that shows them. */
export function useUpstreamCalls() {
  const transport = useTransport();
  const client = useMemo(() => createClient(UpstreamService, transport), [transport]);
  const renew = useRefresh(UpstreamService, StatusService, ConfigurationService);
  const setActive = async (name: string, isActive: boolean) => {
    await client.updateUpstream({ name, isActive, updateMask: { paths: ["is_active"] } });
    void renew();
  };
  /** Take an upstream out of traffic, with an offer to put it back; or put it back. */
  const toggle = async ({ name, isActive }: Upstream) => {
    await setActive(name, !isActive);
    if (isActive) offerUndo(`${name} takes no traffic.`, () => setActive(name, true));
  };
  const resetBreaker = async (name: string) => {
    await client.resetBreaker({ name });
    void renew();
  };
  return { client, renew, toggle, resetBreaker };
}
