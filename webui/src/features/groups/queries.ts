import { createClient } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { ConfigurationService } from "@tollkeeper/client/v1/configuration_service";
import { GroupService } from "@tollkeeper/client/v1/group_service";
import { useMemo } from "react";
import { useRefresh } from "../../shared/api/useRefresh";

/** Calls that change groups; `renew` has everything read anew that shows them. */
export function useGroupCalls() {
  const transport = useTransport();
  const renew = useRefresh(GroupService, ConfigurationService);
  return { client: useMemo(() => createClient(GroupService, transport), [transport]), renew };
}
