// What floats, loaded a moment after the page that has it: see inputs.tsx.
export { Autocomplete, MultiSelect, Select, TagsInput } from "@mantine/core";
