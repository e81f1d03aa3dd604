import { Button, Checkbox, Group, Paper, Text } from "@mantine/core";
import { formatCount } from "../../../shared/format/numbers";

interface Props {
  /** Whether all, some or none of the page's rows are selected. */
  page: "all" | "some" | "none";
  count: number;
  onPage: (selected: boolean) => void;
  onRevoke: () => void;
  onClear: () => void;
}

/** What is selected in the list, and what can be done with it. */
export function Selection({ page, count, onPage, onRevoke, onClear }: Props) {
  return (
    <Paper withBorder px="sm" py="xs">
      <Group justify="space-between" mih={30}>
        <Checkbox
          size="sm"
          label="All on this page"
          checked={page === "all"}
          indeterminate={page === "some"}
          onChange={(event) => onPage(event.currentTarget.checked)}
        />
        <Group gap="xs">
          <Text size="sm" role="status">{count === 0 ? "None selected" : `${formatCount(count)} selected`}</Text>
          {count > 0 && (
            <>
              <Button size="xs" variant="default" onClick={onClear}>Clear</Button>
              <Button size="xs" color="red" onClick={onRevoke}>Revoke {formatCount(count)}…</Button>
            </>
          )}
        </Group>
      </Group>
    </Paper>
  );
}
