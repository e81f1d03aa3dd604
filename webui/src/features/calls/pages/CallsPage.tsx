import { Box, SegmentedControl, Stack } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { SearchBox } from "../../../shared/ui/SearchBox";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { RangePicker } from "../../../shared/ui/RangePicker";
import { freeRange, namedRange, rangeNameOf, rangeOf } from "../../../shared/url/range";
import { type Change, changed } from "../../../shared/url/search";
import { FilterBar } from "../../../shared/usage/FilterBar";
import { filtersOf, NO_FILTERS } from "../../../shared/usage/filters";
import { History } from "../parts/History";
import type { CallsSearch } from "../search";

const FreeRange = lazy(() => import("../../../shared/ui/FreeRange").then((it) => ({ default: it.FreeRange })));
const Live = lazy(() => import("../parts/Live").then((it) => ({ default: it.Live })));
const CallDrawer = lazy(() => import("../parts/CallDrawer").then((it) => ({ default: it.CallDrawer })));
const route = getRouteApi("/calls");
const USUAL = "24h";

export function CallsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { live = false, call, request } = search;
  const filters = filtersOf(search);
  const range = rangeOf(search, USUAL);
  const name = rangeNameOf(search, USUAL);
  const change = (to: Change<CallsSearch>, replace = true) => void navigate({ search: (old) => changed(old, to), replace });
  const shown = {
    filters,
    requestId: request,
    onOpen: (id: string) => change({ call: id }, false),
    onClear: () => change({ ...NO_FILTERS, request: undefined }),
  };
  return (
    <Stack>
      <PageHeader
        title="Calls"
        actions={
          <>
            <SegmentedControl
              size="xs"
              aria-label="Calls that are shown"
              value={live ? "live" : "history"}
              data={[{ value: "history", label: "History" }, { value: "live", label: "Live" }]}
              onChange={(it) => change({ live: it === "live" ? true : undefined })}
            />
            {!live && <RangePicker value={name} onChange={(it) => change(namedRange(it))} />}
            {!live && <Suspense><FreeRange range={range} chosen={name === undefined} onChange={(it) => change(freeRange(it))} /></Suspense>}
          </>
        }
      />
      <Box maw={400}><SearchBox label="Request id" value={request} onChange={(it) => change({ request: it })} /></Box>
      <FilterBar filters={filters} onChange={(filter, values) => change({ [filter]: values })} onClear={shown.onClear} />
      {live ? <Suspense><Live {...shown} /></Suspense> : <History {...shown} range={range} />}
      <Suspense>{call !== undefined && <CallDrawer id={call} onClose={() => change({ call: undefined })} />}</Suspense>
    </Stack>
  );
}
