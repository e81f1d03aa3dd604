import { TagsInput } from "../ui/inputs";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { models } from "./models";

interface Props {
  label: string;
  description?: string;
  placeholder?: string;
  value?: readonly string[];
  error?: React.ReactNode;
  onChange: (value: string[]) => void;
  "data-path"?: string;
}

const PAUSE_MS = 200;

/** Names of models: those that are configured, found at the server, and any others that are written. */
export function ModelNames({ value = [], onChange, ...shown }: Props) {
  const [search, setSearch] = useState("");
  const [asked] = useDebouncedValue(search, PAUSE_MS);
  const { choices } = models.useChoices(asked);
  return (
    <TagsInput
      {...shown}
      clearable
      clearButtonProps={{ "aria-label": `Clear ${shown.label}` }}
      data={choices.map((it) => it.value).filter((it) => !value.includes(it))}
      value={[...value]}
      searchValue={search}
      splitChars={[",", " "]}
      // Names of models differ by their case.
      isDuplicate={(it, present) => present.includes(it)}
      filter={({ options }) => options}
      onSearchChange={setSearch}
      onChange={onChange}
    />
  );
}
