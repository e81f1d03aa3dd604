import { createClient } from "@connectrpc/connect";
import { useMutation, useTransport } from "@connectrpc/connect-query";
import { PasswordInput, Textarea, TextInput } from "@mantine/core";
import { ProjectService } from "@tollkeeper/client/v1/project_service";
import { type Token, TokenService } from "@tollkeeper/client/v1/token_service";
import { useRef } from "react";
import { useRefresh } from "../../../shared/api/useRefresh";
import { EditDrawer } from "../../../shared/forms/EditDrawer";
import { Fold } from "../../../shared/forms/Fold";
import { LabelsInput, labelsOf } from "../../../shared/forms/LabelsInput";
import { useEdit } from "../../../shared/forms/useEdit";
import { readWhole } from "../../../shared/format/dollars";
import { LimitsField } from "../../../shared/limits/LimitsField";
import { limitProblems, writeLimits } from "../../../shared/limits/rows";
import { projects } from "../../../shared/pickers/projects";
import { ModelNames } from "../../../shared/pickers/ModelNames";
import { PickOne } from "../../../shared/pickers/Picker";
import { say } from "../../../shared/ui/say";
import { useZone } from "../../../shared/url/zone";
import { titleOf } from "../useTokenActions";
import { expiryOf, tell, type TokenValues, valuesOf } from "../values";
import { ExpiryInput } from "./ExpiryInput";

/** A secret that the gateway says this once, and the models that its token may use. */
export interface Minted {
  secret: string;
  allowedModels: readonly string[];
}

interface Props {
  /** The token that is edited; undefined makes a new one. */
  token: Token | undefined;
  /** The project of a new token, where one is known; another can be chosen. */
  projectId?: string | undefined;
  onDone: (minted?: Minted) => void;
  onClose: () => void;
}

/** The fields of a token, new or edited. */
export function TokenForm({ token, projectId, onDone, onClose }: Props) {
  const zone = useZone();
  const transport = useTransport();
  const refresh = useRefresh(TokenService, ProjectService);
  // What has a secret in it is not kept once it is done.
  const create = useMutation(TokenService.method.createToken, { gcTime: 0 });
  const update = useMutation(TokenService.method.updateToken);
  const minted = useRef<Minted>(undefined);

  async function save(values: TokenValues, mask: readonly string[], etag: string) {
    const { name, description, allowedModels } = values;
    const expiresAt = expiryOf(values.expiresAt, zone);
    const fields = {
      name,
      description,
      allowedModels,
      maxRequests: readWhole(values.maxRequests) ?? 0n,
      labels: labelsOf(values.labels),
      limits: writeLimits(values.limits),
      ...(expiresAt && { expiresAt }),
    };
    if (token === undefined) {
      const answer = await create.mutateAsync({ ...fields, projectId: values.projectId, secret: values.secret });
      minted.current = { secret: answer.token, allowedModels };
      create.reset();
    } else await update.mutateAsync({ ...fields, id: token.id, etag, updateMask: { paths: [...mask] } });
    await refresh();
  }

  const edit = useEdit<TokenValues, Token>({
    stored: token,
    read: (it) => valuesOf(it, zone, projectId),
    save,
    load: async () => (await createClient(TokenService, transport).getToken({ id: token?.id ?? "" })).token,
    check: (values) => ({
      projectId: values.projectId === "" ? "Choose the project that owns the token" : undefined,
      maxRequests: values.maxRequests.trim() === "" || readWhole(values.maxRequests) !== undefined ? undefined : "give a whole number, or nothing for no limit",
      ...limitProblems(values.limits),
    }),
    tell,
  });
  const { form } = edit;
  const { value: chosen, onChange: choose, ...ofProject } = form.getInputProps("projectId");
  const done = () => {
    if (token !== undefined) say(`Token ${titleOf({ ...token, name: form.values.name })} is saved.`);
    onDone(minted.current);
  };
  return (
    <EditDrawer title={token ? "Edit token" : "New token"} action={token ? "Save" : "Create"} edit={edit} onDone={done} onClose={onClose}>
      {token === undefined && (
        <PickOne label="Project" required {...(projectId === undefined && { "data-autofocus": true })} value={chosen || undefined} onChange={(it) => choose(it ?? "")} {...ofProject} {...projects} />
      )}
      <TextInput label="Name" description="A text for people, such as the application that uses it" data-autofocus={token !== undefined || projectId !== undefined || undefined} maxLength={128} {...form.getInputProps("name")} />
      <Textarea label="Description" autosize minRows={2} maxRows={6} maxLength={512} {...form.getInputProps("description")} />
      <TextInput
        label="Limit of requests"
        description="The number of requests that the token admits in total. Empty is unlimited."
        placeholder="unlimited"
        inputMode="numeric"
        autoComplete="off"
        {...form.getInputProps("maxRequests")}
      />
      <ExpiryInput {...form.getInputProps("expiresAt")} />
      <ModelNames
        label="Allowed models"
        description="Names of models; a * at the end stands for any rest. Without one all models are allowed."
        placeholder="all models"
        {...form.getInputProps("allowedModels")}
      />
      <LimitsField
        description="Rates and budgets of the token, beside its limit of requests."
        rows={form.values.limits}
        field={edit.field}
        onChange={(limits) => form.setValues({ ...form.values, limits })}
      />
      <LabelsInput {...form.getInputProps("labels")} />
      {token === undefined && (
        <Fold title="A secret of your own" hint="the gateway makes a random one, which is always safer">
          <PasswordInput
            label="Secret"
            description="What callers present: 4 to 256 printable characters of ASCII"
            autoComplete="new-password"
            maxLength={256}
            visibilityToggleButtonProps={{ "aria-label": "Show the secret" }}
            {...form.getInputProps("secret")}
          />
        </Fold>
      )}
    </EditDrawer>
  );
}
