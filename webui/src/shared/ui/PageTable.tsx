import { Box, Button, Card, Group, Skeleton, Stack, Text, UnstyledButton, VisuallyHidden } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { type ReactNode, useEffect, useState } from "react";
import type { Cursor } from "../api/useCursor";
import { formatCount } from "../format/numbers";
import { useSoon } from "./useSoon";
import { Table } from "./Table";

export interface Column<Row> {
  key: string;
  title: string;
  render: (row: Row) => ReactNode;
  /** The name by which the server sorts by this column. */
  order?: string;
  align?: "left" | "right";
  /** Whether the column goes first where there is little room. The first column always stays. */
  wide?: boolean;
}

interface Props<Row> {
  /** What the rows are, for people who hear the page, such as "Tokens". */
  label: string;
  rows: readonly Row[] | undefined;
  columns: readonly Column<Row>[];
  rowKey: (row: Row) => string;
  /** What shows where there are no rows. */
  empty: ReactNode;
  /** Whether other rows are on their way. */
  fetching?: boolean;
  /** Open a row: by click on it, or Enter on the selected one. */
  onOpen?: ((row: Row) => void) | undefined;
  /** The order as the server takes it, such as "name desc". */
  order?: string | undefined;
  onOrder?: ((order: string) => void) | undefined;
  /** What stands before the first column of each row, such as a checkbox. */
  mark?: ((row: Row) => ReactNode) | undefined;
  actions?: ((row: Row) => ReactNode) | undefined;
}

const SKELETONS = 6;
// Where j and k belong to what is written.
const WRITING = "input, textarea, select, [contenteditable], [role=listbox], [role=dialog]";

/** A table of a list's page: sorted by its heads, walked by j, k and Enter, and cards where there is little room. */
export function PageTable<Row>(props: Props<Row>) {
  const { rows, rowKey, onOpen, empty, label } = props;
  const narrow = useMediaQuery("(max-width: 48em)");
  const soon = useSoon();
  const [selected, setSelected] = useState(-1);
  // The same rows with other figures in them keep the selected one.
  const keys = rows?.map(rowKey).join("\n");
  useEffect(() => setSelected(-1), [keys]);
  useEffect(() => {
    const walk = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || (event.target as Element).closest?.(WRITING) || !rows?.length) return;
      if (document.querySelector("[role=dialog]")) return;
      if (event.key === "j" || event.key === "k") {
        // Enter is for the row that is selected, not for a button that had the focus.
        if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
        setSelected((old) => (event.key === "j" ? Math.min(old + 1, rows.length - 1) : Math.max(old - 1, 0)));
      } else if (event.key === "Enter" && !(event.target as Element).closest?.("a, button")) {
        const row = rows[selected];
        if (row !== undefined) onOpen?.(row);
      }
    };
    window.addEventListener("keydown", walk);
    return () => window.removeEventListener("keydown", walk);
  }, [rows, selected, onOpen]);
  useEffect(() => {
    // What it returns, in some browsers a promise, is no clean-up.
    void document.querySelector("[data-selected]")?.scrollIntoView({ block: "nearest" });
  }, [selected]);

  if (rows === undefined)
    return (
      <Stack gap="xs" mih={SKELETONS * 40} aria-busy role="status" aria-label={`${label}: loading`}>
        {soon && Array.from({ length: SKELETONS }, (_, index) => <Skeleton key={index} h={32} />)}
      </Stack>
    );
  if (rows.length === 0) return <>{empty}</>;
  return narrow ? (
    <Cards {...props} rows={rows} selected={rows[selected] === undefined ? undefined : rowKey(rows[selected])} />
  ) : (
    <Rows {...props} rows={rows} selected={rows[selected] === undefined ? undefined : rowKey(rows[selected])} />
  );
}

type Shown<Row> = Props<Row> & { rows: readonly Row[]; selected: string | undefined };

function Rows<Row>({ label, rows, columns, rowKey, fetching, onOpen, order, onOrder, mark, actions, selected }: Shown<Row>) {
  return (
    <Table.Scroll label={`${label}, table`}>
      <Table miw={640} highlightOnHover={onOpen !== undefined} aria-label={label} aria-busy={fetching} opacity={fetching ? 0.7 : 1}>
        <Table.Thead>
          <Table.Tr>
            {mark && <Table.Th w={36} />}
            {columns.map((column) => (
              <Head key={column.key} column={column} order={order} onOrder={onOrder} />
            ))}
            {actions && <Table.Th><VisuallyHidden>Actions</VisuallyHidden></Table.Th>}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr
              key={rowKey(row)}
              data-selected={selected === rowKey(row) || undefined}
              style={onOpen && { cursor: "pointer" }}
              onClick={(event) => {
                if (onOpen && !(event.target as Element).closest("a, button, input, label")) onOpen(row);
              }}
            >
              {mark && <Table.Td>{mark(row)}</Table.Td>}
              {columns.map((column) => (
                <Table.Td key={column.key} ta={column.align ?? "left"} {...(column.align === "right" ? { style: { whiteSpace: "nowrap" as const } } : {})} {...(column.wide ? { visibleFrom: "lg" as const } : {})}>
                  {column.render(row)}
                </Table.Td>
              ))}
              {actions && <Table.Td ta="right" style={{ whiteSpace: "nowrap" }}>{actions(row)}</Table.Td>}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.Scroll>
  );
}

function Head<Row>({ column, order, onOrder }: { column: Column<Row> } & Pick<Props<Row>, "order" | "onOrder">) {
  const [by, direction] = (order ?? "").split(" ");
  const sorted = column.order !== undefined && by === column.order;
  const falls = sorted && direction === "desc";
  return (
    <Table.Th
      ta={column.align ?? "left"}
      {...(column.wide ? { visibleFrom: "lg" as const } : {})}
      aria-sort={sorted ? (falls ? "descending" : "ascending") : undefined}
      style={{ whiteSpace: "nowrap" }}
    >
      {column.order !== undefined && onOrder ? (
        <UnstyledButton fw={600} fz="sm" onClick={() => onOrder(sorted && !falls ? `${column.order} desc` : (column.order ?? ""))}>
          {column.title} {sorted && (falls ? <IconArrowDown size={12} aria-hidden /> : <IconArrowUp size={12} aria-hidden />)}
        </UnstyledButton>
      ) : (
        column.title
      )}
    </Table.Th>
  );
}

function Cards<Row>({ label, rows, columns, rowKey, fetching, onOpen, mark, actions, selected }: Shown<Row>) {
  const [first, ...rest] = columns;
  return (
    <Stack gap="xs" role="list" aria-label={label} aria-busy={fetching}>
      {rows.map((row) => (
        <Card key={rowKey(row)} withBorder padding="sm" role="listitem" data-selected={selected === rowKey(row) || undefined}>
          <Group justify="space-between" wrap="nowrap" align="start">
            <Group gap="xs" wrap="nowrap" miw={0}>
              {mark?.(row)}
              <Box fw={600} miw={0} style={{ overflowWrap: "anywhere" }}>
                {first?.render(row)}
              </Box>
            </Group>
            {actions?.(row)}
          </Group>
          {rest.map((column) => (
            <Group key={column.key} justify="space-between" gap="md" mt={4} align="start" wrap="nowrap">
              <Text size="sm" c="dimmed" flex="none" maw="50%">{column.title}</Text>
              <Box fz="sm" ta="right" miw={0} style={{ overflowWrap: "anywhere" }}>{column.render(row)}</Box>
            </Group>
          ))}
          {onOpen && <Button mt="xs" size="compact-sm" variant="default" onClick={() => onOpen(row)}>Open</Button>}
        </Card>
      ))}
    </Stack>
  );
}

const MOST_COUNTED = 10_000;

/** The foot of a list: which page, of how many rows in all, and the ways to the others. */
export function Pages({ cursor, next, total }: { cursor: Cursor; next: string | undefined; total?: number | undefined }) {
  if (cursor.number === 1 && !next && total === undefined) return null;
  return (
    <Group justify="space-between">
      <Text size="sm" c="dimmed">
        {total === undefined ? "" : total >= MOST_COUNTED ? `${formatCount(MOST_COUNTED)} or more` : `${formatCount(total)} in all`}
      </Text>
      <Group gap="xs">
        <Button variant="default" size="xs" disabled={cursor.number === 1} onClick={cursor.previous}>Previous</Button>
        <Text size="sm">Page {cursor.number}</Text>
        <Button variant="default" size="xs" disabled={!next} onClick={() => next && cursor.next(next)}>Next</Button>
      </Group>
    </Group>
  );
}
