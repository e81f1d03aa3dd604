import { createClient } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { ConfigurationService } from "@tollkeeper/client/v1/configuration_service";
import { type Model, ModelService } from "@tollkeeper/client/v1/model_service";
import { useMemo } from "react";
import { useRefresh } from "../../shared/api/useRefresh";
import { offerUndo } from "../../shared/ui/undo";

/** Calls that change models; `renew` has everything read anew that shows them. */
export function useModelCalls() {
  const transport = useTransport();
  const client = useMemo(() => createClient(ModelService, transport), [transport]);
  const renew = useRefresh(ModelService, ConfigurationService);
  const setActive = async (name: string, isActive: boolean) => {
    await client.updateModel({ name, isActive, updateMask: { paths: ["is_active"] } });
    void renew();
  };
  /** Take a model out of traffic, with an offer to put it back; or put it back. */
  const toggle = async ({ name, isActive }: Model) => {
    await setActive(name, !isActive);
    if (isActive) offerUndo(`${name} takes no traffic.`, () => setActive(name, true));
  };
  return { client, renew, toggle };
}
