import { useQuery } from "@connectrpc/connect-query";
import { skipToken } from "@tanstack/react-query";
import { ListenerService } from "@tollkeeper/client/v1/listener_service";
import { lazy } from "react";
import { NamedOverlays, nameOf, type OverlaysProps } from "../../../shared/forms/NamedOverlays";
import { useListenerCalls } from "../queries";
import type { Act } from "../search";

const ListenerForm = lazy(() => import("./ListenerForm").then((it) => ({ default: it.ListenerForm })));

/** What is open over a page about listeners, as its address says. */
export function Overlays(props: OverlaysProps<Act>) {
  const { client, renew } = useListenerCalls();
  const name = nameOf(props.act, props.name);
  const { data, error } = useQuery(ListenerService.method.getListener, name === undefined ? skipToken : { name });
  return (
    <NamedOverlays
      {...props}
      kind="listener"
      isThere={data?.listener !== undefined}
      error={error}
      form={(it) => <ListenerForm {...it} />}
      remove={(it) => client.deleteListener({ name: it })}
      references={() => "Its port is closed. Requests under way still end; callers that use it can't connect any more."}
      renew={renew}
    />
  );
}
