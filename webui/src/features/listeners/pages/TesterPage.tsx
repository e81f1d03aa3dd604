import { useQuery } from "@connectrpc/connect-query";
import { Stack } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { ConfigurationService } from "@tollkeeper/client/v1/configuration_service";
import { lazy, Suspense } from "react";
import { isSame } from "../../../shared/forms/changes";
import { EmptyState } from "../../../shared/ui/EmptyState";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { ButtonLink } from "../../../shared/ui/links";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { Found } from "../parts/Found";
import { Members } from "../parts/Members";
import { TesterForm } from "../parts/TesterForm";
import { Verdicts } from "../parts/Verdicts";
import { askOf, isChat, type TesterSearch, writeTester, readTester } from "../testerSearch";

const Reservations = lazy(() => import("../parts/Reservations").then((it) => ({ default: it.Reservations })));
const route = getRouteApi("/tester");

export function TesterPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const isAsked = search.path !== undefined;
  const told = useQuery(ConfigurationService.method.explainRequest, askOf(search), {
    enabled: isAsked,
    staleTime: 0,
    placeholderData: keepPreviousData,
  });
  const ask = (next: TesterSearch) => {
    if (isAsked && isSame(writeTester(readTester(search)), next)) void told.refetch();
    else void navigate({ search: ({ zone }) => ({ ...(zone === undefined ? {} : { zone }), ...next }) });
  };
  return (
    <Stack>
      <PageHeader
        title="Route tester"
        description="Where a request would go, and why, by the gateway's own steps. Nothing is sent."
        actions={isAsked && isChat(search) && (
          <ButtonLink variant="default" to="/playground" search={{ ...(search.token ? { token: search.token } : {}), ...(search.model ? { model: search.model } : {}) }}>
            Send it for real in the playground
          </ButtonLink>
        )}
      />
      <TesterForm search={search} busy={told.isFetching && !told.isRefetching} onAsk={ask} />
      {isAsked && told.error && <ErrorState title="It can't be explained" error={told.error} retry={() => void told.refetch()} />}
      {!isAsked && (
        <EmptyState title="Nothing was asked yet">Describe a request and choose Explain. The address keeps the question, so that it can be shared.</EmptyState>
      )}
      {isAsked && told.data && (
        <Stack opacity={told.isPlaceholderData ? 0.7 : 1} aria-busy={told.isPlaceholderData}>
          <Verdicts told={told.data} />
          <Suspense><Reservations told={told.data} calls={search.calls || 1} /></Suspense>
          <Members told={told.data} />
          <Found told={told.data} />
        </Stack>
      )}
    </Stack>
  );
}
