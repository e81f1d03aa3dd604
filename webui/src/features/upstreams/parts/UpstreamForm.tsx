import { Button } from "@mantine/core";
import { useQuery } from "@connectrpc/connect-query";
import { type Upstream, UpstreamService } from "@tollkeeper/client/v1/upstream_service";
import { fieldErrors } from "../../../shared/api/errors";
import { pathsOf } from "../../../shared/forms/changes";
import { NamedDrawer } from "../../../shared/forms/NamedDrawer";
import { NotRead } from "../../../shared/forms/NotRead";
import { useEdit } from "../../../shared/forms/useEdit";
import { useUpstreamCalls } from "../queries";
import { readUpstream, tellUpstream, upstreamProblems, type UpstreamValues, withProvider, writeChange, writeUpstream } from "../values";
import { AdvancedFields } from "./AdvancedFields";
import { ConnectionFields } from "./ConnectionFields";
import { TestSteps } from "./TestSteps";
import { useTest } from "./useTest";

interface Props {
  /** The upstream to edit; undefined makes a new one. */
  name: string | undefined;
  onClose: () => void;
  onCreated?: ((name: string) => void) | undefined;
}

export function UpstreamForm({ name, onClose, onCreated }: Props) {
  // What is edited is read anew: what another page knew may have changed since.
  const { data, error, refetch, isFetchedAfterMount } = useQuery(UpstreamService.method.getUpstream, { name: name ?? "" }, { enabled: name !== undefined, staleTime: 0 });
  if (error && !data?.upstream) return <NotRead title={`Edit ${name}`} error={error} retry={() => void refetch()} onClose={onClose} />;
  if (name !== undefined && !(isFetchedAfterMount && data?.upstream)) return null;
  return <Form stored={data?.upstream} onClose={onClose} onCreated={onCreated} />;
}

function Form({ stored, onClose, onCreated }: { stored: Upstream | undefined } & Pick<Props, "onClose"> & { onCreated: Props["onCreated"] }) {
  const { client, renew } = useUpstreamCalls();
  const test = useTest();
  const edit = useEdit<UpstreamValues, Upstream>({
    stored,
    read: readUpstream,
    save: (values, mask, etag) => (stored ? client.updateUpstream(writeChange(values, mask, etag)) : client.createUpstream(writeUpstream(values))),
    load: async () => (await client.getUpstream({ name: stored?.name ?? "" })).upstream,
    check: upstreamProblems,
    tell: tellUpstream,
  });
  const { form, field } = edit;
  const { values } = form;
  const runTest = () => {
    if (edit.refuse()) return;
    test.mutate(
      { upstream: writeUpstream(values) },
      { onError: (error) => edit.showErrors(fieldErrors(error, pathsOf(values)).fields) },
    );
  };
  return (
    <NamedDrawer
      kind="upstream"
      stored={stored}
      typed={values.name}
      edit={edit}
      extra={<Button variant="default" loading={test.isPending} onClick={runTest}>Test</Button>}
      renew={renew}
      onClose={onClose}
      onCreated={onCreated}
    >
      <ConnectionFields
        values={values}
        field={field}
        isNew={stored === undefined}
        keyMask={stored?.apiKey ?? ""}
        onProvider={(provider) => form.setValues(withProvider(values, provider))}
        onScheme={(authScheme) => form.setValues({ ...values, authScheme, authHeader: "", username: "" })}
      />
      <AdvancedFields
        values={values}
        field={field}
        proxyMask={stored?.proxyUrl ?? ""}
        clientKeyMask={stored?.clientKey ?? ""}
        onHeaders={(rows) => form.setValues({ ...values, headerOperations: rows })}
      />
      <TestSteps busy={test.isPending} error={test.error} result={test.data} />
    </NamedDrawer>
  );
}
