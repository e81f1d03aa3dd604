import { Code, Text } from "@mantine/core";
import type { Rule } from "@tollkeeper/client/v1/listener_service";
import { EmptyState } from "../../../shared/ui/EmptyState";
import { NameLink } from "../../../shared/ui/NameLink";
import { type Column, PageTable } from "../../../shared/ui/PageTable";
import { ruleOrder } from "../ruleOrder";

interface Row {
  rule: Rule;
  /** Its place in the order in which the gateway looks, and in the listener's list, both from 1. */
  place: number;
  listed: number;
}

const columns: Column<Row>[] = [
  { key: "place", title: "Looked at", render: ({ place, listed }) => <>{place}.{place !== listed && <Text span size="xs" c="dimmed">{` (listed as ${listed})`}</Text>}</> },
  { key: "path", title: "Path", render: ({ rule }) => (rule.path ? <Code style={{ overflowWrap: "anywhere" }}>{rule.path}</Code> : <Text span size="sm" c="dimmed">any</Text>) },
  {
    key: "header",
    title: "Header",
    render: ({ rule: { header, value, pattern } }) =>
      header === "" ? (
        <Text span size="sm" c="dimmed">any</Text>
      ) : (
        <><Code>{header}</Code>{value !== "" && <> is <Code>{value}</Code></>}{pattern !== "" && <> matches <Code>{pattern}</Code></>}{value === "" && pattern === "" && " is there"}</>
      ),
  },
  { key: "group", title: "Goes to", render: ({ rule }) => <NameLink kind="group" name={rule.group} /> },
  { key: "strip", title: "Strips", render: ({ rule }) => (rule.stripPrefix ? <Code>{rule.stripPrefix}</Code> : <Text span size="sm" c="dimmed">nothing</Text>) },
];

/** Rules in the order in which the gateway looks at them; the first that matches applies. */
export function RulesTable({ rules }: { rules: readonly Rule[] }) {
  const rows = ruleOrder(rules).flatMap((at, place) => {
    const rule = rules[at];
    return rule ? [{ rule, place: place + 1, listed: at + 1 }] : [];
  });
  return (
    <PageTable
      label="Rules"
      rows={rows}
      columns={columns}
      rowKey={(it) => String(it.listed)}
      empty={<EmptyState title="No rule">A request goes where its model leads.</EmptyState>}
    />
  );
}
