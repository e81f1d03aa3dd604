import { createClient } from "@connectrpc/connect";
import { useQuery, useTransport } from "@connectrpc/connect-query";
import { type Gateway, GatewayService } from "@tollkeeper/client/v1/gateway_service";
import { useRefresh } from "../../../shared/api/useRefresh";
import { EditDrawer } from "../../../shared/forms/EditDrawer";
import { NotRead } from "../../../shared/forms/NotRead";
import { useEdit } from "../../../shared/forms/useEdit";
import { LaterLimitsField } from "../../../shared/limits/LaterLimitsField";
import { limitProblems, type LimitRow, readLimits, tellLimits, writeLimits } from "../../../shared/limits/rows";
import { say } from "../../../shared/ui/say";

type GatewayValues = { limits: LimitRow[] };

const TITLE = "Edit the gateway's limits";

/** The drawer in which the limits of the whole gateway are edited. */
export function LimitsDrawer({ onClose }: { onClose: () => void }) {
  // What is edited is read anew: what the page knew may have changed since.
  const { data, error, refetch, isFetchedAfterMount } = useQuery(GatewayService.method.getGateway, {}, { staleTime: 0 });
  if (error && !data?.gateway) return <NotRead title={TITLE} error={error} retry={() => void refetch()} onClose={onClose} />;
  if (!(isFetchedAfterMount && data?.gateway)) return null;
  return <Form stored={data.gateway} onClose={onClose} />;
}

function Form({ stored, onClose }: { stored: Gateway; onClose: () => void }) {
  const client = createClient(GatewayService, useTransport());
  const refresh = useRefresh(GatewayService);
  const edit = useEdit<GatewayValues, Gateway>({
    stored,
    read: (it) => ({ limits: readLimits(it?.limits) }),
    save: async ({ limits }, mask, etag) => {
      await client.updateGateway({ limits: writeLimits(limits), etag, updateMask: { paths: [...mask] } });
      await refresh();
    },
    load: async () => (await client.getGateway({})).gateway,
    check: ({ limits }) => limitProblems(limits),
    tell: (_, { limits }) => tellLimits(limits),
  });
  const done = () => {
    say("The gateway's limits are saved.");
    onClose();
  };
  return (
    <EditDrawer title={TITLE} action="Save" edit={edit} onDone={done} onClose={onClose}>
      <LaterLimitsField
        description="Of all requests together, to all processes that share the store."
        rows={edit.form.values.limits}
        field={edit.field}
        onChange={(limits) => edit.form.setValues({ limits })}
      />
    </EditDrawer>
  );
}
