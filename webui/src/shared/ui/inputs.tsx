import type { AutocompleteProps, MultiSelectProps, SelectProps, TagsInputProps } from "@mantine/core";
import { inputLater } from "./later";

const load = () => import("./heavyInputs");

export const Autocomplete = inputLater<AutocompleteProps>(() => load().then((it) => it.Autocomplete));
export const MultiSelect = inputLater<MultiSelectProps>(() => load().then((it) => it.MultiSelect));
export const Select = inputLater<SelectProps>(() => load().then((it) => it.Select));
export const TagsInput = inputLater<TagsInputProps>(() => load().then((it) => it.TagsInput));
