import { lazy, Suspense } from "react";
import type { HistoryProps } from "./History";

const Loaded = lazy(() => import("./History").then((it) => ({ default: it.History })));

/** The history of a thing, which stands at the end of its page and is loaded after the rest. */
export const LaterHistory = (props: HistoryProps) => <Suspense><Loaded {...props} /></Suspense>;
