import { ActionIcon, Button, Group, Input, Stack, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { useRef } from "react";

export type LabelPair = [name: string, value: string];

export const labelPairs = (labels: Readonly<Record<string, string>> | undefined): LabelPair[] =>
  Object.entries(labels ?? {}).sort(([one], [other]) => (one < other ? -1 : 1));

/** Return the labels that stand in the rows; a row without a name is none. */
export const labelsOf = (pairs: readonly (readonly [string, string])[]): Record<string, string> =>
  Object.fromEntries(pairs.filter(([name]) => name.trim() !== "").map(([name, value]) => [name.trim(), value]));

/** The labels as one text. */
export const tellLabels = (pairs: readonly LabelPair[]): string => pairs.map(([name, value]) => `${name} = ${value}`).join(", ") || "(none)";

interface Props {
  value?: readonly LabelPair[];
  onChange: (value: LabelPair[]) => void;
  error?: React.ReactNode;
  "data-path"?: string;
}

/** Names and values by which things are found. */
export function LabelsInput({ value = [], onChange, error, "data-path": path }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const put = (index: number, pair: LabelPair) => onChange(value.map((it, at) => (at === index ? pair : it)));
  const add = () => {
    onChange([...value, ["", ""]]);
    setTimeout(() => box.current?.querySelector<HTMLInputElement>("[data-label-row]:last-of-type input")?.focus(), 0);
  };
  return (
    <Input.Wrapper
      label="Labels"
      labelElement="div"
      description="Names and values by which lists are searched, such as team = billing"
      error={error}
      role="group"
      aria-label="Labels"
    >
      <Stack gap="xs" mt="xs" ref={box}>
        {value.map(([name, text], index) => (
          <Group key={index} gap="xs" wrap="nowrap" data-label-row>
            <TextInput flex={1} placeholder="name" aria-label={`Name of label ${index + 1}`} value={name} onChange={(event) => put(index, [event.currentTarget.value, text])} />
            <TextInput flex={1} placeholder="value" aria-label={`Value of label ${index + 1}`} value={text} onChange={(event) => put(index, [name, event.currentTarget.value])} />
            <ActionIcon variant="subtle" aria-label={`Remove label ${index + 1}`} onClick={() => onChange(value.filter((_, at) => at !== index))}>
              <IconX size={16} />
            </ActionIcon>
          </Group>
        ))}
        <Button variant="default" size="xs" data-path={path} leftSection={<IconPlus size={14} />} style={{ alignSelf: "start" }} onClick={add}>Add a label</Button>
      </Stack>
    </Input.Wrapper>
  );
}
