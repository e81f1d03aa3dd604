import type { OptionsFilter } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { MultiSelect, Select } from "../ui/inputs";
import { type Kind, KINDS } from "../ui/kinds";

export interface Choice {
  value: string;
  label: string;
}

/** Things that are chosen: those that are known, by their names, and the values of those that do not exist. */
export interface Chosen {
  known: readonly Choice[];
  missing: readonly string[];
}

interface Common {
  kind: Kind;
  label: string;
  description?: string;
  placeholder?: string;
  error?: React.ReactNode;
  required?: boolean;
  disabled?: boolean;
  /** Things that match what is written; the server searches. */
  useChoices: (search: string) => { choices: readonly Choice[]; loading: boolean };
  /** The things that are chosen, by their names, which the search need not find. */
  useChosen: (values: readonly string[]) => Chosen;
}

interface OneProps extends Common {
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}

interface ManyProps extends Common {
  value: readonly string[];
  onChange: (value: string[]) => void;
}

const PAUSE_MS = 200;

/** The server has searched. */
const asFound: OptionsFilter = ({ options }) => options;
/** Until it has, what it found for other letters must not be taken by who writes and presses Enter. */
const byLabel: OptionsFilter = ({ options, search }) =>
  options.filter((it) => "label" in it && it.label.toLowerCase().includes(search.trim().toLowerCase()));

function useData({ kind, error, useChoices, useChosen }: Common, values: readonly string[], search: string) {
  const [asked] = useDebouncedValue(search, PAUSE_MS);
  const { known: chosen, missing } = useChosen(values);
  const isName = chosen.some((it) => it.label === asked);
  const { choices, loading } = useChoices(isName ? "" : asked);
  const known = new Map([...chosen, ...choices].map((it) => [it.value, it]));
  for (const value of values) if (!known.has(value)) known.set(value, { value, label: value });
  const none = missing.length > 0 ? `No ${kind} has the ${KINDS[kind].key} ${missing.join(", ")}. Clear it, or choose another.` : undefined;
  return { data: [...known.values()], loading, filter: asked === search && !loading ? asFound : byLabel, error: error ?? none };
}

/** A choice of one thing among many at the server: by name for people, by id for the server. */
export function PickOne(props: OneProps) {
  const [search, setSearch] = useState("");
  const { value, onChange, kind: _, useChoices: __, useChosen: ___, ...shown } = props;
  const { data, loading, filter, error } = useData(props, value === undefined ? [] : [value], search);
  return (
    <Select
      {...shown}
      searchable
      clearable
      data={data}
      error={error}
      value={value ?? null}
      searchValue={search}
      onSearchChange={setSearch}
      filter={filter}
      nothingFoundMessage={loading ? "Searching…" : "Nothing found"}
      onChange={(it) => onChange(it ?? undefined)}
    />
  );
}

/** As PickOne, for several things. */
export function PickMany(props: ManyProps) {
  const [search, setSearch] = useState("");
  const { value, onChange, kind: _, useChoices: __, useChosen: ___, ...shown } = props;
  const { data, loading, filter, error } = useData(props, value, search);
  return (
    <MultiSelect
      {...shown}
      searchable
      clearable
      hidePickedOptions
      data={data}
      error={error}
      value={[...value]}
      searchValue={search}
      onSearchChange={setSearch}
      filter={filter}
      nothingFoundMessage={loading ? "Searching…" : "Nothing found"}
      onChange={onChange}
    />
  );
}
