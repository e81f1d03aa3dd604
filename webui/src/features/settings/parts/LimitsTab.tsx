import { useQuery } from "@connectrpc/connect-query";
import { Button, Skeleton, Stack, Text } from "@mantine/core";
import { IconPencil } from "@tabler/icons-react";
import { GatewayService } from "@tollkeeper/client/v1/gateway_service";
import { LimitScope } from "@tollkeeper/client/v1/limit";
import { lazy, Suspense } from "react";
import { standingsHeight } from "../../../shared/limits/standingsHeight";
import { Time } from "../../../shared/format/Time";
import { LaterHistory } from "../../../shared/history/LaterHistory";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { Section } from "../../../shared/ui/Section";
import type { Change } from "../../../shared/url/search";
import type { SettingsSearch } from "../search";

const Standings = lazy(() => import("../../../shared/limits/Standings").then((it) => ({ default: it.Standings })));
const LimitsDrawer = lazy(() => import("./LimitsDrawer").then((it) => ({ default: it.LimitsDrawer })));

interface Props {
  search: SettingsSearch;
  set: (change: Change<SettingsSearch>) => void;
}

/** What the gateway as a whole admits. */
export function LimitsTab({ search: { act }, set }: Props) {
  const { data, error, refetch } = useQuery(GatewayService.method.getGateway, {});
  const gateway = data?.gateway;
  const close = () => set({ act: undefined });
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        The gateway&apos;s limits hold for all requests together. Listeners, projects, tokens and models have limits of their own, on their pages; a request must keep to all of them.
      </Text>
      {error && <ErrorState title="The limits can't be read" error={error} retry={() => void refetch()} />}
      {!gateway && !error && <Skeleton h={140} />}
      {gateway && (
        <Section
          title="Limits of the gateway"
          actions={<Button size="xs" variant="default" leftSection={<IconPencil size={14} />} onClick={() => set({ act: "limits" })}>Edit</Button>}
        >
          <Suspense fallback={<Skeleton h={standingsHeight(gateway.limits)} />}><Standings limits={gateway.limits} of="Limits of all requests together" scope={LimitScope.GATEWAY} scopeId="" /></Suspense>
          {gateway.updatedAt && <Text size="sm" c="dimmed">Changed <Time time={gateway.updatedAt} ago /></Text>}
        </Section>
      )}
      {gateway && <LaterHistory key={gateway.etag} kind="gateway" id="gateway" />}
      <Suspense>{act === "limits" && <LimitsDrawer onClose={close} />}</Suspense>
    </Stack>
  );
}
