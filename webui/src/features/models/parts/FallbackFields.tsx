import { ActionIcon, Alert, Checkbox, Group, Stack, Text } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconTrash } from "@tabler/icons-react";
import { Fold } from "../../../shared/forms/Fold";
import type { FieldOf } from "../../../shared/forms/useEdit";
import { models } from "../../../shared/pickers/models";
import { PickOne } from "../../../shared/pickers/Picker";
import { CAUSES } from "../capabilities";
import type { ModelValues } from "../values";

interface Props {
  values: ModelValues;
  field: FieldOf;
  onChange: (change: Pick<ModelValues, "fallbacks">) => void;
}

const MOST = 8;

/** The models that are tried in order when all upstreams of this one are unavailable. */
export function FallbackFields({ values: { fallbacks, name }, field, onChange }: Props) {
  const move = (from: number, to: number) => {
    const moved = [...fallbacks];
    const [it] = moved.splice(from, 1);
    if (it !== undefined) onChange({ fallbacks: moved.toSpliced(to, 0, it) });
  };
  const errors = [field("fallbacks").error, ...fallbacks.map((_, at) => field(`fallbacks.${at}`).error)].filter((it) => it);
  return (
    <Fold title="Fallbacks" hint={fallbacks.join(", ") || "none"}>
      <Text size="xs" c="dimmed">Tried in order when all upstreams of the model are unavailable.</Text>
      {errors.length > 0 && <Alert color="red" p="xs" role="alert" tabIndex={-1} data-path={field("fallbacks").error ? "fallbacks" : `fallbacks.${fallbacks.findIndex((_, at) => field(`fallbacks.${at}`).error)}`}>{errors[0]}</Alert>}
      <Stack gap="xs" role="list" aria-label="Fallbacks">
        {fallbacks.map((it, at) => (
          <Group key={it} justify="space-between" role="listitem">
            <Text size="sm">{at + 1}. {it}</Text>
            <Group gap={4}>
              <ActionIcon variant="default" disabled={at === 0} aria-label={`Move ${it} up`} onClick={() => move(at, at - 1)}><IconArrowUp size={14} /></ActionIcon>
              <ActionIcon variant="default" disabled={at === fallbacks.length - 1} aria-label={`Move ${it} down`} onClick={() => move(at, at + 1)}><IconArrowDown size={14} /></ActionIcon>
              <ActionIcon variant="default" aria-label={`Remove ${it}`} onClick={() => onChange({ fallbacks: fallbacks.filter((other) => other !== it) })}><IconTrash size={14} /></ActionIcon>
            </Group>
          </Group>
        ))}
      </Stack>
      {fallbacks.length < MOST && (
        <PickOne
          label="Add a fallback"
          placeholder="Search models"
          {...models}
          value={undefined}
          onChange={(it) => it !== undefined && it !== name && !fallbacks.includes(it) && onChange({ fallbacks: [...fallbacks, it] })}
        />
      )}
      <Checkbox.Group label="Also when an upstream answers that" {...field("fallbackOn")}>
        <Stack gap="xs" mt="xs">{CAUSES.map((it) => <Checkbox key={it.value} value={String(it.value)} label={it.meaning} />)}</Stack>
      </Checkbox.Group>
    </Fold>
  );
}
