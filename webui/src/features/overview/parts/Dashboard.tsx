import { useQuery } from "@connectrpc/connect-query";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Skeleton } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { UsageService } from "@tollkeeper/client/v1/usage_service";
import { lazy, Suspense } from "react";
import { useKept } from "../../../shared/api/useKept";
import { ErrorState } from "../../../shared/ui/ErrorState";
import type { Range, RangeSearch } from "../../../shared/url/range";
import { useZone } from "../../../shared/url/zone";
import { Attention } from "./Attention";
import { Tiles } from "./Tiles";
import { Tops } from "./Tops";

const Budgets = lazy(() => import("./Budgets").then((it) => ({ default: it.Budgets })));
const Traffic = lazy(() => import("./Traffic").then((it) => ({ default: it.Traffic })));
const REFRESH_MS = 30_000;

interface Props {
  range: Range;
  /** The same, as addresses have it. */
  search: RangeSearch;
}

/** What a gateway did in a range, and what needs attention. It is asked when it appears, so that a first call is in it. */
export function Dashboard({ range, search }: Props) {
  const zone = useZone();
  const found = useQuery(
    UsageService.method.summarizeUsage,
    {
      startTime: timestampFromDate(range.start),
      endTime: timestampFromDate(range.end),
      timeZone: zone,
      comparePrevious: true,
      percentiles: true,
    },
    { placeholderData: keepPreviousData, refetchInterval: REFRESH_MS },
  );
  const usage = useKept(JSON.stringify([search, zone]), found);
  return (
    <>
      {found.error && <ErrorState title="The usage can't be read" error={found.error} retry={() => void found.refetch()} />}
      {(!found.error || usage) && <Tiles usage={usage} search={search} />}
      <Attention />
      <Suspense><Budgets /></Suspense>
      <Suspense fallback={<Skeleton h={300} />}><Traffic range={range} search={search} /></Suspense>
      <Tops range={range} search={search} />
    </>
  );
}
