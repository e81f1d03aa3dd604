import { createClient } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { ConfigurationService } from "@tollkeeper/client/v1/configuration_service";
import { type Listener, ListenerService } from "@tollkeeper/client/v1/listener_service";
import { StatusService } from "@tollkeeper/client/v1/status_service";
import { useMemo } from "react";
import { useRefresh } from "../../shared/api/useRefresh";
import { complain, say } from "../../shared/ui/say";
import { offerUndo } from "../../shared/ui/undo";

/** Calls that change listeners, after which everything that shows them is asked for again. */
export function useListenerCalls() {
  const transport = useTransport();
  const client = useMemo(() => createClient(ListenerService, transport), [transport]);
  const renew = useRefresh(ListenerService, StatusService, ConfigurationService);
  const setActive = async (name: string, isActive: boolean) => {
    await client.updateListener({ name, isActive, updateMask: { paths: ["is_active"] } });
    void renew();
  };
  return {
    client,
    renew,
    /** Close a listener's port, with an offer to open it again; or open it. */
    toggle: async ({ name, isActive }: Listener) => {
      try {
        await setActive(name, !isActive);
        if (isActive) offerUndo(`The port of ${name} is closed.`, () => setActive(name, true));
        else say(`The port of ${name} is opened.`);
      } catch (error) {
        complain(isActive ? `The port of ${name} was not closed` : `The port of ${name} was not opened`, error);
      }
    },
  };
}
