import { useQuery } from "@connectrpc/connect-query";
import { skipToken } from "@tanstack/react-query";
import { EntityKind } from "@tollkeeper/client/v1/configuration_service";
import { UpstreamService } from "@tollkeeper/client/v1/upstream_service";
import { lazy } from "react";
import { NamedOverlays, nameOf, type OverlaysProps } from "../../../shared/forms/NamedOverlays";
import { PreventsDeletion } from "../../../shared/ui/WhereUsed";
import { useUpstreamCalls } from "../queries";
import type { Act } from "../search";

const UpstreamForm = lazy(() => import("./UpstreamForm").then((it) => ({ default: it.UpstreamForm })));
const TestModal = lazy(() => import("./TestModal").then((it) => ({ default: it.TestModal })));
const KeyModal = lazy(() => import("./KeyModal").then((it) => ({ default: it.KeyModal })));

/** What is open over a page about upstreams, as its address says. */
export function Overlays(props: OverlaysProps<Act>) {
  const { client, renew } = useUpstreamCalls();
  const name = nameOf(props.act, props.name);
  const { data, error } = useQuery(UpstreamService.method.getUpstream, name === undefined ? skipToken : { name });
  return (
    <NamedOverlays
      {...props}
      kind="upstream"
      isThere={data?.upstream !== undefined}
      error={error}
      form={(it) => <UpstreamForm {...it} />}
      remove={(it) => client.deleteUpstream({ name: it })}
      references={(it) => <PreventsDeletion kind={EntityKind.UPSTREAM} name={it} />}
      renew={renew}
      more={(act, name) => (
        <>
          {act === "test" && <TestModal name={name} onClose={props.onClose} />}
          {act === "key" && <KeyModal name={name} onClose={props.onClose} />}
        </>
      )}
    />
  );
}
