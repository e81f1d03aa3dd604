import { create } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { Input, SegmentedControl, Switch, TagsInput, TextInput } from "@mantine/core";
import { type Model, ModelService } from "@tollkeeper/client/v1/model_service";
import { NamedDrawer } from "../../../shared/forms/NamedDrawer";
import { NotRead } from "../../../shared/forms/NotRead";
import { useEdit } from "../../../shared/forms/useEdit";
import { LaterLimitsField } from "../../../shared/limits/LaterLimitsField";
import { groups } from "../../../shared/pickers/groups";
import { PickOne } from "../../../shared/pickers/Picker";
import { strategyOf } from "../../../shared/traffic/policy";
import { PolicyFields, StrategyField } from "../../../shared/traffic/PolicyFields";
import { TargetsField } from "../../../shared/traffic/TargetsField";
import { useModelCalls } from "../queries";
import { maskOf, modelProblems, type ModelValues, readModel, tellModel, writeModel } from "../values";
import { CapabilityFields } from "./CapabilityFields";
import { FallbackFields } from "./FallbackFields";
import { PriceFields } from "./PriceFields";

/** Where a new model is served: an upstream, and its name there. */
export interface Offer {
  upstream: string;
  at: string;
}

interface Props {
  /** The model to edit; undefined makes a new one. */
  name: string | undefined;
  offer?: Offer | undefined;
  onClose: () => void;
  onCreated?: ((name: string) => void) | undefined;
}

export function ModelForm({ name, ...others }: Props) {
  // What is edited is read anew: what another page knew may have changed since.
  const { data, error, refetch, isFetchedAfterMount } = useQuery(ModelService.method.getModel, { name: name ?? "" }, { enabled: name !== undefined, staleTime: 0 });
  if (error && !data?.model) return <NotRead title={`Edit ${name}`} error={error} retry={() => void refetch()} onClose={others.onClose} />;
  if (name !== undefined && !(isFetchedAfterMount && data?.model)) return null;
  return <Form stored={data?.model} {...others} />;
}

const begin = (offer: Offer | undefined) => (stored: Model | undefined): ModelValues => {
  const values = readModel(stored);
  if (stored || !offer) return values;
  // Its own name stands for the same name there.
  return { ...values, name: offer.at, deployments: [{ upstream: offer.upstream, upstreamModel: offer.at, weight: "" }] };
};

function Form({ stored, offer, onClose, onCreated }: { stored: Model | undefined } & Omit<Props, "name">) {
  const { client, renew } = useModelCalls();
  const edit = useEdit<ModelValues, Model>({
    stored,
    read: begin(offer),
    save: (values, mask, etag) =>
      stored
        ? client.updateModel({ ...writeModel(values), etag, updateMask: create(FieldMaskSchema, { paths: maskOf(values, mask) }) })
        : client.createModel(writeModel(values)),
    load: async () => (await client.getModel({ name: stored?.name ?? "" })).model,
    check: modelProblems,
    tell: tellModel,
  });
  const { form, field } = edit;
  const { values } = form;
  return (
    <NamedDrawer kind="model" stored={stored} typed={values.name} edit={edit} renew={renew} onClose={onClose} onCreated={onCreated}>
      {!stored && (
        <TextInput
          label="Name"
          required
          data-autofocus
          autoComplete="off"
          description="What applications ask for. A * at its end stands for any rest. It never changes."
          {...field("name")}
        />
      )}
      <TagsInput label="Aliases" description="Other names of the model; Enter takes one." {...field("aliases")} />
      <Input.Wrapper label="Served by" labelElement="div">
        <SegmentedControl
          mt={4}
          fullWidth
          aria-label="Served by"
          data={[{ value: "deployments", label: "Deployments" }, { value: "group", label: "A group" }]}
          value={values.servedBy}
          onChange={(it) => form.setValues({ ...values, servedBy: it === "group" ? "group" : "deployments" })}
        />
      </Input.Wrapper>
      {values.servedBy === "group" ? (
        <PickOne label="Group" required description="Its members serve the model, by its policy." {...groups} {...field("group")} value={values.group || undefined} onChange={(it) => form.setFieldValue("group", it ?? "")} />
      ) : (
        <>
          <StrategyField policy={values.policy} field={field} onStrategy={(strategy) => form.setFieldValue("policy", { ...values.policy, strategy })} />
          <TargetsField
            path="deployments"
            label="Deployment"
            rows={values.deployments}
            field={field}
            withModel
            weighs={strategyOf(values.policy.strategy).weighs}
            onChange={(deployments) => form.setValues({ ...values, deployments })}
          />
          <PolicyFields policy={values.policy} field={field} />
        </>
      )}
      <FallbackFields values={values} field={field} onChange={(change) => form.setValues({ ...values, ...change })} />
      <PriceFields values={values} field={field} />
      <LaterLimitsField
        description="Of all requests together that the model serves."
        rows={values.limits}
        field={field}
        onChange={(limits) => form.setValues({ ...values, limits })}
      />
      <CapabilityFields values={values} field={field} />
      <Switch label="Active" description="An inactive one takes no traffic." {...field("isActive", "checkbox")} />
    </NamedDrawer>
  );
}
