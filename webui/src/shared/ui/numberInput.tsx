import type { NumberInputProps } from "@mantine/core";
import { inputLater } from "./later";

export const NumberInput = inputLater<NumberInputProps>(() => import("./heavyNumberInput").then((it) => it.NumberInput));
