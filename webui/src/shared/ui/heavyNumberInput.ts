// Apart from the other inputs, as few pages have one: see numberInput.tsx.
export { NumberInput } from "@mantine/core";
