import { Button, Group, Input, PasswordInput, Text, Textarea } from "@mantine/core";

interface Props {
  label: string;
  description?: string | undefined;
  /** What people may see of the stored one; empty if none is stored. */
  mask: string;
  /** null leaves what is stored, an empty text removes it. */
  value?: string | null;
  onChange: (value: string | null) => void;
  error?: React.ReactNode;
  required?: boolean;
  /** Whether it has lines, as a key in PEM has. */
  lines?: boolean;
  "data-path"?: string;
}

/** A secret that can be replaced, and never be read. */
export function SecretField({ label, description, mask, value = null, onChange, error, required = false, lines = false, ...others }: Props) {
  if (value === null && mask !== "")
    return (
      <Input.Wrapper label={label} description={description} error={error}>
        <Group gap="xs" mt={4}>
          <Text size="sm" ff="monospace">{mask}</Text>
          <Button size="compact-sm" variant="default" onClick={() => onChange("")} {...others}>Replace {label}</Button>
        </Group>
      </Input.Wrapper>
    );
  const shared = {
    label,
    description: mask === "" ? description : `Replaces ${mask}. Empty removes it.`,
    error,
    required,
    value: value ?? "",
    spellCheck: false,
    autoComplete: "off",
    ...others,
  };
  return (
    <Group align="end" gap="xs" wrap="nowrap">
      {lines ? (
        <Textarea {...shared} flex={1} autosize minRows={3} maxRows={8} onChange={(event) => onChange(event.currentTarget.value)} />
      ) : (
        <PasswordInput {...shared} autoComplete="new-password" flex={1} onChange={(event) => onChange(event.currentTarget.value)} />
      )}
      {mask !== "" && <Button variant="default" onClick={() => onChange(null)}>Keep</Button>}
    </Group>
  );
}
