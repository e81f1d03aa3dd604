import { Skeleton, Stack } from "@mantine/core";
import { type ErrorComponentProps, useLocation } from "@tanstack/react-router";
import { useBack } from "../shared/api/reach";
import { ErrorState } from "../shared/ui/ErrorState";
import { PageHeader } from "../shared/ui/PageHeader";
import { forgetFailed } from "./lazyPage";
import { pages } from "./pages";

/** What stands where a page will be whose file takes longer than a moment. */
export function Loading() {
  return (
    <Stack aria-busy role="status" aria-label="The page is loading">
      <Skeleton h={32} w={200} />
      <Skeleton h={36} maw={480} />
      <Skeleton h={320} />
    </Stack>
  );
}

/** What stands where a page would be that can't be shown. */
export function Failed({ error, reset }: ErrorComponentProps) {
  const path = useLocation().pathname;
  const retry = () => {
    forgetFailed();
    reset();
  };
  useBack(retry);
  return (
    <Stack>
      <PageHeader title={pages.find(({ to }) => to !== "/" && path.startsWith(to))?.label ?? "Overview"} />
      <ErrorState title="This page can't be shown" error={error} retry={retry} />
    </Stack>
  );
}
