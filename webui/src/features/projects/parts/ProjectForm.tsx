import { createClient } from "@connectrpc/connect";
import { useMutation, useTransport } from "@connectrpc/connect-query";
import { Textarea, TextInput } from "@mantine/core";
import { type Project, ProjectService } from "@tollkeeper/client/v1/project_service";
import { useRef } from "react";
import { useRefresh } from "../../../shared/api/useRefresh";
import { EditDrawer } from "../../../shared/forms/EditDrawer";
import { LabelsInput, labelsOf } from "../../../shared/forms/LabelsInput";
import { SecretField } from "../../../shared/forms/SecretField";
import { useEdit } from "../../../shared/forms/useEdit";
import { LaterLimitsField } from "../../../shared/limits/LaterLimitsField";
import { limitProblems, writeLimits } from "../../../shared/limits/rows";
import { say } from "../../../shared/ui/say";
import { type ProjectValues, tell, valuesOf } from "../values";

interface Props {
  /** The project that is edited; undefined makes a new one. */
  project: Project | undefined;
  onDone: (id: string) => void;
  onClose: () => void;
}

/** The fields of a project, new or edited. */
export function ProjectForm({ project, onDone, onClose }: Props) {
  const transport = useTransport();
  const refresh = useRefresh(ProjectService);
  // What has a secret in it is not kept once it is done.
  const create = useMutation(ProjectService.method.createProject, { gcTime: 0 });
  const update = useMutation(ProjectService.method.updateProject, { gcTime: 0 });
  const made = useRef(project?.id ?? "");

  async function save({ name, description, openaiApiKey, limits, labels }: ProjectValues, mask: readonly string[], etag: string) {
    const fields = { name, description, limits: writeLimits(limits), labels: labelsOf(labels), openaiApiKey: openaiApiKey ?? "" };
    if (project === undefined) made.current = (await create.mutateAsync(fields)).project?.id ?? "";
    // The mask says which of the fields count.
    else await update.mutateAsync({ id: project.id, etag, updateMask: { paths: [...mask] }, ...named(fields, mask) });
    await refresh();
  }

  const edit = useEdit<ProjectValues, Project>({
    stored: project,
    read: valuesOf,
    save,
    load: async () => (await createClient(ProjectService, transport).getProject({ id: project?.id ?? "" })).project,
    check: ({ limits }) => limitProblems(limits),
    tell,
  });
  const { form } = edit;
  const done = () => {
    say(project === undefined ? `Project ${form.values.name} was created.` : `Project ${form.values.name} is saved.`);
    onDone(made.current);
  };
  return (
    <EditDrawer title={project ? "Edit project" : "New project"} action={project ? "Save" : "Create"} edit={edit} onDone={done} onClose={onClose}>
      <TextInput label="Name" description="A text for people" withAsterisk data-autofocus maxLength={128} {...form.getInputProps("name")} />
      <Textarea label="Description" autosize minRows={2} maxRows={6} maxLength={512} {...form.getInputProps("description")} />
      <SecretField
        label="OpenAI API key"
        description="The project's own key for upstreams whose provider is OpenAI. Without it theirs are used."
        mask={project?.apiKey ?? ""}
        {...form.getInputProps("openaiApiKey")}
      />
      <LaterLimitsField
        description="Of all tokens of the project together."
        rows={form.values.limits}
        field={edit.field}
        onChange={(limits) => form.setValues({ ...form.values, limits })}
      />
      <LabelsInput {...form.getInputProps("labels")} />
    </EditDrawer>
  );
}

/** A name that is not in the mask is left out: the server holds what it gets to its rules, in the mask or not. */
function named<Fields extends { name: string }>(fields: Fields, mask: readonly string[]): Omit<Fields, "name"> & { name?: string } {
  const { name, ...others } = fields;
  return mask.includes("name") ? { name, ...others } : others;
}
