import { useQuery } from "@connectrpc/connect-query";
import { create } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { TextInput } from "@mantine/core";
import { type Group, GroupService } from "@tollkeeper/client/v1/group_service";
import { NamedDrawer } from "../../../shared/forms/NamedDrawer";
import { NotRead } from "../../../shared/forms/NotRead";
import { useEdit } from "../../../shared/forms/useEdit";
import { strategyOf } from "../../../shared/traffic/policy";
import { PolicyFields, StrategyField } from "../../../shared/traffic/PolicyFields";
import { TargetsField } from "../../../shared/traffic/TargetsField";
import { useGroupCalls } from "../queries";
import { groupProblems, type GroupValues, readGroup, tellGroup, writeGroup } from "../values";

interface Props {
  /** The group to edit; undefined makes a new one. */
  name: string | undefined;
  onClose: () => void;
  onCreated?: ((name: string) => void) | undefined;
}

export function GroupForm({ name, ...others }: Props) {
  // What is edited is read anew: what another page knew may have changed since.
  const { data, error, refetch, isFetchedAfterMount } = useQuery(GroupService.method.getGroup, { name: name ?? "" }, { enabled: name !== undefined, staleTime: 0 });
  if (error && !data?.group) return <NotRead title={`Edit ${name}`} error={error} retry={() => void refetch()} onClose={others.onClose} />;
  if (name !== undefined && !(isFetchedAfterMount && data?.group)) return null;
  return <Form stored={data?.group} {...others} />;
}

function Form({ stored, onClose, onCreated }: { stored: Group | undefined } & Omit<Props, "name">) {
  const { client, renew } = useGroupCalls();
  const edit = useEdit<GroupValues, Group>({
    stored,
    read: readGroup,
    save: (values, mask, etag) =>
      stored
        ? client.updateGroup({ ...writeGroup(values), etag, updateMask: create(FieldMaskSchema, { paths: [...mask] }) })
        : client.createGroup(writeGroup(values)),
    load: async () => (await client.getGroup({ name: stored?.name ?? "" })).group,
    check: groupProblems,
    tell: tellGroup,
  });
  const { form, field } = edit;
  const { values } = form;
  return (
    <NamedDrawer kind="group" stored={stored} typed={values.name} edit={edit} renew={renew} onClose={onClose} onCreated={onCreated}>
      {!stored && (
        <TextInput label="Name" required description="Letters, digits, dots, dashes and underscores. It never changes." data-autofocus autoComplete="off" {...field("name")} />
      )}
      <StrategyField policy={values.policy} field={field} onStrategy={(strategy) => form.setFieldValue("policy", { ...values.policy, strategy })} />
      <TargetsField
        path="members"
        label="Member"
        rows={values.members}
        field={field}
        withModel={false}
        weighs={strategyOf(values.policy.strategy).weighs}
        onChange={(members) => form.setValues({ ...values, members })}
      />
      <PolicyFields policy={values.policy} field={field} />
    </NamedDrawer>
  );
}
