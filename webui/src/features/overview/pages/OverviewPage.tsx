import { Skeleton, Stack } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { RangePicker } from "../../../shared/ui/RangePicker";
import { freeRange, rangeNameOf, rangeOf, type RangeSearch } from "../../../shared/url/range";
import { changed } from "../../../shared/url/search";
import { Dashboard } from "../parts/Dashboard";
import { Tiles } from "../parts/Tiles";
import { useFirstRun } from "../useFirstRun";

const FirstRun = lazy(() => import("../parts/FirstRun").then((it) => ({ default: it.FirstRun })));
const FirstAnswer = lazy(() => import("../parts/FirstAnswer").then((it) => ({ default: it.FirstAnswer })));
const route = getRouteApi("/");
const USUAL = "24h";

export function OverviewPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const range = rangeOf(search, USUAL);
  const name = rangeNameOf(search, USUAL);
  const { from, to } = freeRange(range);
  const same: RangeSearch = name === undefined ? { from, to } : { range: name };
  const firstRun = useFirstRun();
  const { shown, answered } = firstRun;
  return (
    <Stack>
      <PageHeader
        title="Overview"
        actions={
          !shown && (
            <RangePicker
              value={name}
              onChange={(it) => void navigate({ search: (old) => changed(old, { range: it, from: undefined, to: undefined }) })}
            />
          )
        }
      />
      {shown === undefined && !firstRun.error && <Tiles usage={undefined} search={{}} />}
      {shown && <Suspense fallback={<Skeleton h={340} />}><FirstRun progress={firstRun} /></Suspense>}
      {answered && <Suspense><FirstAnswer event={answered} /></Suspense>}
      {(shown === false || (shown === undefined && firstRun.error)) && <Dashboard range={range} search={same} />}
    </Stack>
  );
}
