import { useDebouncedValue } from "@mantine/hooks";
import { Autocomplete } from "../ui/inputs";
import { models } from "./models";

interface Props {
  label: string;
  description?: string;
  placeholder?: string;
  value: string;
  error?: React.ReactNode;
  onChange: (value: string) => void;
}

const PAUSE_MS = 200;

/** The name of a model: one that is configured, found at the server, or any other that is written. */
export function ModelName({ value, onChange, ...shown }: Props) {
  const [asked] = useDebouncedValue(value, PAUSE_MS);
  const { choices } = models.useChoices(asked);
  return (
    <Autocomplete
      {...shown}
      autoComplete="off"
      spellCheck={false}
      data={choices.map((it) => it.value)}
      filter={({ options }) => options}
      value={value}
      onChange={onChange}
    />
  );
}
