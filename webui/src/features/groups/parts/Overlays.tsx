import { useQuery } from "@connectrpc/connect-query";
import { skipToken } from "@tanstack/react-query";
import { EntityKind } from "@tollkeeper/client/v1/configuration_service";
import { GroupService } from "@tollkeeper/client/v1/group_service";
import { lazy } from "react";
import { NamedOverlays, nameOf, type OverlaysProps } from "../../../shared/forms/NamedOverlays";
import { PreventsDeletion } from "../../../shared/ui/WhereUsed";
import { useGroupCalls } from "../queries";
import type { Act } from "../search";

const GroupForm = lazy(() => import("./GroupForm").then((it) => ({ default: it.GroupForm })));

/** What is open over a page about groups, as its address says. */
export function Overlays(props: OverlaysProps<Act>) {
  const { client, renew } = useGroupCalls();
  const name = nameOf(props.act, props.name);
  const { data, error } = useQuery(GroupService.method.getGroup, name === undefined ? skipToken : { name });
  return (
    <NamedOverlays
      {...props}
      kind="group"
      isThere={data?.group !== undefined}
      error={error}
      form={(it) => <GroupForm {...it} />}
      remove={(it) => client.deleteGroup({ name: it })}
      references={(it) => <PreventsDeletion kind={EntityKind.GROUP} name={it} />}
      renew={renew}
    />
  );
}
