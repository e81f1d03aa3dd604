import { Button, Stack } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { EmptyState } from "../shared/ui/EmptyState";
import { PageHeader } from "../shared/ui/PageHeader";

export function NotFound() {
  return (
    <Stack>
      <PageHeader title="There is no such page" />
      <EmptyState title="Nothing is at this address" action={<Button component={Link} to="/">To the overview</Button>}>
        It may be one of another version, or mistyped.
      </EmptyState>
    </Stack>
  );
}
