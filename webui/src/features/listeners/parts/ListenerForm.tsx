import { create } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { NumberInput, SimpleGrid, Switch, TextInput } from "@mantine/core";
import { type Listener, ListenerService } from "@tollkeeper/client/v1/listener_service";
import { DURATION_HELP } from "../../../shared/format/durations";
import { NamedDrawer } from "../../../shared/forms/NamedDrawer";
import { NotRead } from "../../../shared/forms/NotRead";
import { useEdit } from "../../../shared/forms/useEdit";
import { LaterLimitsField } from "../../../shared/limits/LaterLimitsField";
import { groups } from "../../../shared/pickers/groups";
import { PickOne } from "../../../shared/pickers/Picker";
import { useListenerCalls } from "../queries";
import { listenerProblems, type ListenerValues, readListener, tellListener, writeListener } from "../values";
import { RulesField } from "./RulesField";

interface Props {
  /** The listener to edit; undefined makes a new one. */
  name: string | undefined;
  onClose: () => void;
  onCreated?: ((name: string) => void) | undefined;
}

export function ListenerForm({ name, ...others }: Props) {
  // What is edited is read anew: what another page knew may have changed since.
  const { data, error, refetch, isFetchedAfterMount } = useQuery(ListenerService.method.getListener, { name: name ?? "" }, { enabled: name !== undefined, staleTime: 0 });
  if (error && !data?.listener) return <NotRead title={`Edit ${name}`} error={error} retry={() => void refetch()} onClose={others.onClose} />;
  if (name !== undefined && !(isFetchedAfterMount && data?.listener)) return null;
  return <Form stored={data?.listener} {...others} />;
}

function Form({ stored, onClose, onCreated }: { stored: Listener | undefined } & Omit<Props, "name">) {
  const { client, renew } = useListenerCalls();
  const edit = useEdit<ListenerValues, Listener>({
    stored,
    read: readListener,
    save: (values, mask, etag) =>
      stored
        ? client.updateListener({ ...writeListener(values), etag, updateMask: create(FieldMaskSchema, { paths: [...mask] }) })
        : client.createListener(writeListener(values)),
    load: async () => (await client.getListener({ name: stored?.name ?? "" })).listener,
    check: listenerProblems,
    tell: tellListener,
  });
  const { form, field } = edit;
  const { values } = form;
  return (
    <NamedDrawer kind="listener" stored={stored} typed={values.name} edit={edit} renew={renew} onClose={onClose} onCreated={onCreated}>
      {!stored && (
        <TextInput label="Name" required description="Letters, digits, dots, dashes and underscores. It never changes." data-autofocus autoComplete="off" {...field("name")} />
      )}
      <TextInput
        label="Address"
        required
        description="HOST:PORT, such as 127.0.0.1:3001, or 0.0.0.0:3001 for all interfaces. The data plane's own address makes this listener replace it."
        autoComplete="off"
        spellCheck={false}
        {...field("address")}
      />
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <Switch label="TLS" description="With the certificate of the process." {...field("tls", "checkbox")} />
        <Switch label="Active" description="The port is open." {...field("isActive", "checkbox")} />
      </SimpleGrid>
      <PickOne
        label="Default group"
        description="For requests that match no rule and no model."
        placeholder="none"
        {...groups}
        {...field("defaultGroup")}
        value={values.defaultGroup || undefined}
        onChange={(it) => form.setFieldValue("defaultGroup", it ?? "")}
      />
      <RulesField rows={values.rules} field={field} onChange={(rules) => form.setValues({ ...values, rules })} />
      <Switch label="Limit the requests of an IP address" {...field("ipLimit.isSet", "checkbox")} />
      {values.ipLimit.isSet && (
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <NumberInput label="Requests per second" description="On average" placeholder="100" min={1} max={10_000} allowDecimal={false} {...field("ipLimit.perSecond")} />
          <NumberInput label="Burst" description="Requests at once" placeholder="200" min={1} max={20_000} allowDecimal={false} {...field("ipLimit.burst")} />
        </SimpleGrid>
      )}
      <LaterLimitsField
        description="Of all requests together that come to the port."
        rows={values.limits}
        field={field}
        onChange={(limits) => form.setValues({ ...values, limits })}
      />
      <TextInput
        label="Head timeout"
        description={`The longest time that a caller may take to send a request's head, ${DURATION_HELP}.`}
        placeholder="10 s"
        {...field("headTimeout")}
      />
    </NamedDrawer>
  );
}
