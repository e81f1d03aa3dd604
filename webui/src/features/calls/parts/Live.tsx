import { useQuery } from "@connectrpc/connect-query";
import { Affix, Alert, Box, Button, Group, Skeleton, Stack, Text } from "@mantine/core";
import { useIntersection } from "@mantine/hooks";
import { IconArrowUp, IconPlayerPause, IconPlayerPlay } from "@tabler/icons-react";
import { UsageService } from "@tollkeeper/client/v1/usage_service";
import { lazy, Suspense, useEffect, useEffectEvent, useState } from "react";
import { formatCount } from "../../../shared/format/numbers";
import { NoMatch } from "../../../shared/ui/EmptyState";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { PageTable } from "../../../shared/ui/PageTable";
import { StateBadge } from "../../../shared/ui/StateBadge";
import { useZone } from "../../../shared/url/zone";
import { type CallFilters, fieldsOf } from "../../../shared/usage/filters";
import { MOST, withEarlier } from "../tail";
import { useTail } from "../useTail";
import { columnsFor } from "./columns";
import { NoCalls } from "./NoCalls";

const RateChart = lazy(() => import("./RateChart").then((it) => ({ default: it.RateChart })));
const CHART_HEIGHT = 172;
const EARLIER = 50;
const HEADER_HEIGHT = 56;

interface Props {
  filters: CallFilters;
  requestId: string | undefined;
  onOpen: (id: string) => void;
  onClear: () => void;
}

/** Calls as they are stored, the latest first, until somebody pauses or scrolls away from the top. */
export function Live({ filters, requestId, onOpen, onClear }: Props) {
  const zone = useZone();
  const [paused, setPaused] = useState(false);
  const { ref, entry } = useIntersection({ threshold: 0, rootMargin: `-${HEADER_HEIGHT}px 0px 0px 0px` });
  const scrolled = entry !== null && !entry.isIntersecting && entry.boundingClientRect.top <= HEADER_HEIGHT;
  const holding = paused || scrolled;
  const { tail, rate, stream, release } = useTail(filters, requestId, holding);
  const onTop = useEffectEvent(release);
  useEffect(() => {
    if (!holding) onTop();
  }, [holding]);
  const earlier = useQuery(
    UsageService.method.listUsageEvents,
    { ...fieldsOf(filters), requestId: requestId ?? "", pageSize: EARLIER },
    { refetchOnWindowFocus: false, staleTime: Infinity, gcTime: 0 },
  );
  const isFiltered = Object.keys(filters).length > 0 || requestId !== undefined;
  const state = paused ? "paused" : stream.live ? "live" : "connecting";
  const show = () => {
    release();
    setPaused(false);
    window.scrollTo({ top: 0 });
  };
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Group gap="xs">
          <StateBadge tone={state === "live" ? "good" : state === "paused" ? "neutral" : "busy"}>{state}</StateBadge>
          <Text size="sm" c="dimmed">{`The latest ${MOST} are kept here; the history has all.`}</Text>
        </Group>
        <Button
          size="xs"
          variant="default"
          leftSection={paused ? <IconPlayerPlay size={14} /> : <IconPlayerPause size={14} />}
          onClick={() => setPaused(!paused)}
        >
          {paused ? "Go on" : "Pause"}
        </Button>
      </Group>
      {stream.error && <ErrorState title="The calls don't arrive; the page tries again by itself" error={stream.error} />}
      {tail.dropped > 0 && (
        <Alert color="yellow" role="status" title={`${formatCount(tail.dropped)} dropped`}>
          They came faster than this page took them, and the gateway left them out here. The history has them.
        </Alert>
      )}
      <Suspense fallback={<Skeleton h={CHART_HEIGHT} />}><RateChart rate={rate} /></Suspense>
      <Box ref={ref} h={1} mb={-1} aria-hidden />
      <PageTable
        label="Live calls"
        rows={earlier.isPending && tail.shown.length === 0 ? undefined : withEarlier(tail.shown, earlier.data?.events ?? [])}
        columns={columnsFor(zone, false)}
        rowKey={(it) => it.id}
        onOpen={(it) => onOpen(it.id)}
        empty={isFiltered ? <NoMatch clear={onClear} /> : <NoCalls title="No call yet" />}
      />
      {tail.fresh > 0 && (
        <Affix position={{ top: HEADER_HEIGHT + 12, left: 0, right: 0 }} style={{ pointerEvents: "none" }}>
          <Group justify="center">
            <Button size="xs" radius="xl" style={{ pointerEvents: "auto" }} leftSection={<IconArrowUp size={14} />} onClick={show}>
              {`${formatCount(tail.fresh)} new`}
            </Button>
          </Group>
        </Affix>
      )}
    </Stack>
  );
}
