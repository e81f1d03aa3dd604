import { Input, Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";
import type { LimitsFieldProps } from "./LimitsField";

const Loaded = lazy(() => import("./LimitsField").then((it) => ({ default: it.LimitsField })));
const BUTTON_HEIGHT = 30;

/** The limits in a form, which are loaded after the rest of it. */
export const LaterLimitsField = (props: LimitsFieldProps) => (
  <Suspense fallback={<Input.Wrapper label="Limits" labelElement="div"><Skeleton h={BUTTON_HEIGHT} /></Input.Wrapper>}><Loaded {...props} /></Suspense>
);
