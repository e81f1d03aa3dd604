import { useQuery } from "@connectrpc/connect-query";
import { Alert, Button, CopyButton, Skeleton, Stack, Text } from "@mantine/core";
import { IconDownload, IconLink } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { SummarizeUsageRequestSchema, UsageService } from "@tollkeeper/client/v1/usage_service";
import { lazy, Suspense } from "react";
import { restLink } from "../../../shared/api/restLink";
import { useKept } from "../../../shared/api/useKept";
import { formatTime } from "../../../shared/format/times";
import { EmptyState, NoMatch } from "../../../shared/ui/EmptyState";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { ButtonLink } from "../../../shared/ui/links";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { RangePicker } from "../../../shared/ui/RangePicker";
import { Section } from "../../../shared/ui/Section";
import { freeRange, namedRange, RANGES } from "../../../shared/url/range";
import { type Change, changed } from "../../../shared/url/search";
import { useZone } from "../../../shared/url/zone";
import { FilterBar } from "../../../shared/usage/FilterBar";
import { countOf, NO_FILTERS } from "../../../shared/usage/filters";
import { timeOf } from "../../../shared/usage/series";
import { Sums } from "../../../shared/usage/Sums";
import { groupOf } from "../groups";
import { measureOf } from "../measures";
import { Breakdown } from "../parts/Breakdown";
import { Controls } from "../parts/Controls";
import { breakdownRequest, overTimeRequest, type Question, questionOf } from "../question";
import type { UsageSearch } from "../search";
import { useAnswered } from "../useAnswered";

const FreeRange = lazy(() => import("../../../shared/ui/FreeRange").then((it) => ({ default: it.FreeRange })));
const OverTime = lazy(() => import("../parts/OverTime").then((it) => ({ default: it.OverTime })));
const route = getRouteApi("/usage");
const REFRESH_MS = 60_000;
const CHART_HEIGHT = 300;
const live = { placeholderData: keepPreviousData, refetchInterval: REFRESH_MS };

export function UsagePage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const zone = useZone();
  const question = questionOf(search, zone);
  const { range, rangeName, filters } = question;
  const whole = useQuery(UsageService.method.summarizeUsage, breakdownRequest(question), live);
  const overTime = useQuery(UsageService.method.summarizeUsage, overTimeRequest(question), live);
  const shown = useAnswered(question, whole.isPlaceholderData);
  const drawn = useAnswered(question, overTime.isPlaceholderData);
  const change = (to: Change<UsageSearch>) => void navigate({ search: (old) => changed(old, to), replace: true });
  const error = whole.error ?? overTime.error;
  const asked = JSON.stringify(changed(search, { zone }));
  const data = useKept(asked, whole);
  const series = useKept(asked, overTime);
  const isEmpty = data?.rows.length === 0;
  const retry = () => {
    void whole.refetch();
    void overTime.refetch();
  };
  return (
    <Stack>
      <PageHeader
        title="Usage"
        actions={
          <>
            <RangePicker names={RANGES} value={rangeName} onChange={(it) => change(namedRange(it))} />
            <Suspense><FreeRange range={range} chosen={rangeName === undefined} onChange={(it) => change(freeRange(it))} /></Suspense>
            <CopyLink question={question} search={search} />
          </>
        }
      />
      <Controls question={question} onChange={change} />
      <FilterBar filters={filters} onChange={(name, values) => change({ [name]: values })} onClear={() => change(NO_FILTERS)} />
      {error && <ErrorState title="The usage can't be read" error={error} retry={retry} />}
      {isEmpty && (countOf(filters) > 0 ? (
        <NoMatch clear={() => change(NO_FILTERS)} />
      ) : (
        <EmptyState title="No call in this time" action={<ButtonLink to="/playground">Make a call</ButtonLink>}>
          Each request to the gateway counts a moment after it ended. Choose a longer range, or make a call.
        </EmptyState>
      ))}
      {(data || !error) && !isEmpty && (
        <>
          <Section title="Totals"><Sums totals={data?.totals} whole /></Section>
          {series?.truncated && (
            <Alert color="yellow" title="Cut off">
              There are more than 10,000 sums of groups and intervals, so the latest are missing here. The totals have all of them. Choose a longer
              interval, fewer groups or a shorter range.
            </Alert>
          )}
          <Section title={`${measureOf(drawn.measure).label} over time`} actions={<CsvLink request={overTimeRequest(question)} />}>
            {series && <Suspense fallback={<Skeleton h={CHART_HEIGHT} />}><OverTime rows={series.rows} question={drawn} /></Suspense>}
            {!series && !overTime.error && <Skeleton h={CHART_HEIGHT} />}
          </Section>
          <Section
            title={shown.group === undefined ? "Each interval" : `By ${groupOf(shown.group).one}`}
            actions={question.group !== undefined && <CsvLink request={breakdownRequest(question)} />}
          >
            {shown.compare && data?.previousStartTime && (
              <Text size="sm" c="dimmed">
                Compared with {formatTime(timeOf(data.previousStartTime), zone)} – {formatTime(shown.range.start, zone)}.
              </Text>
            )}
            <Breakdown rows={data?.rows} totals={data?.totals} question={shown} fetching={whole.isPlaceholderData} />
          </Section>
        </>
      )}
    </Stack>
  );
}

/** What is shown, as a download. The session's cookie counts for it. */
function CsvLink({ request }: { request: Parameters<typeof restLink<typeof SummarizeUsageRequestSchema>>[2] }) {
  return (
    <Button
      component="a"
      size="xs"
      variant="default"
      leftSection={<IconDownload size={14} />}
      href={restLink("/manage/usage/summary", SummarizeUsageRequestSchema, request, { alt: "csv" })}
      download
    >
      CSV
    </Button>
  );
}

/** Copy an address that shows the same to everybody at any time: the range by its times, and the zone. */
function CopyLink({ question, search }: { question: Question; search: UsageSearch }) {
  const router = useRouter();
  const location = router.buildLocation({ to: "/usage", search: { ...changed(search, freeRange(question.range)), zone: question.zone } });
  return (
    <CopyButton value={`${window.location.origin}${location.href}`}>
      {({ copied, copy }) => (
        <Button size="xs" variant="default" leftSection={<IconLink size={14} />} onClick={copy}>{copied ? "Copied" : "Copy link"}</Button>
      )}
    </CopyButton>
  );
}
