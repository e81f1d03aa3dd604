import { Skeleton, Stack, Tabs } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { type Change, changed } from "../../../shared/url/search";
import { type SettingsSearch, TABS } from "../search";

const GatewayTab = lazy(() => import("../parts/GatewayTab").then((it) => ({ default: it.GatewayTab })));
const LimitsTab = lazy(() => import("../parts/LimitsTab").then((it) => ({ default: it.LimitsTab })));
const SettingsTab = lazy(() => import("../parts/SettingsTab").then((it) => ({ default: it.SettingsTab })));
const RevisionsTab = lazy(() => import("../parts/RevisionsTab").then((it) => ({ default: it.RevisionsTab })));
const SessionsTab = lazy(() => import("../parts/SessionsTab").then((it) => ({ default: it.SessionsTab })));

const route = getRouteApi("/settings");
const TITLES: Record<(typeof TABS)[number], string> = { gateway: "Gateway", limits: "Limits", settings: "Settings", revisions: "Revisions", sessions: "Sessions" };

export function SettingsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const set = (change: Change<SettingsSearch>) => void navigate({ search: (old) => changed(old, change) });
  const tab = search.tab ?? "gateway";
  return (
    <Stack>
      <PageHeader title="Settings" description="How the gateway is, what it admits, how it was set up, what was changed, and who is signed in." />
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(it) => {
          const next = TABS.find((known) => known === it);
          // What belongs to another tab leaves the address.
          void navigate({ search: ({ zone }) => ({ ...(zone === undefined ? {} : { zone }), ...(next === undefined ? {} : { tab: next }) }) });
        }}
      >
        <Tabs.List mb="md">{TABS.map((it) => <Tabs.Tab key={it} value={it}>{TITLES[it]}</Tabs.Tab>)}</Tabs.List>
        <Suspense fallback={<Skeleton h={320} />}>
          <Tabs.Panel value="gateway"><GatewayTab /></Tabs.Panel>
          <Tabs.Panel value="limits"><LimitsTab search={search} set={set} /></Tabs.Panel>
          <Tabs.Panel value="settings"><SettingsTab search={search} set={set} /></Tabs.Panel>
          <Tabs.Panel value="revisions"><RevisionsTab search={search} set={set} /></Tabs.Panel>
          <Tabs.Panel value="sessions"><SessionsTab search={search} set={set} /></Tabs.Panel>
        </Suspense>
      </Tabs>
    </Stack>
  );
}
