import { List, Text } from "@mantine/core";
import type { Listener } from "@tollkeeper/client/v1/listener_service";
import { NameLink } from "../../../shared/ui/NameLink";
import { ruleOrder } from "../ruleOrder";

/** The groups that a listener refers to, and by what. They can't be deleted meanwhile. */
export function Leads({ listener }: { listener: Listener }) {
  const by = new Map<string, string[]>();
  const add = (group: string, what: string) => by.set(group, [...(by.get(group) ?? []), what]);
  // Numbered as the table of rules is.
  ruleOrder(listener.rules).forEach((at, place) => add(listener.rules[at]?.group ?? "", `rule ${place + 1}`));
  if (listener.defaultGroup) add(listener.defaultGroup, "as the default group");
  if (by.size === 0) return <Text size="sm" c="dimmed">No group. Requests go where their model leads, or to the default upstream.</Text>;
  return (
    <List size="sm" listStyleType="none" spacing={4} aria-label="Groups that it leads to">
      {[...by].sort(([one], [other]) => (one < other ? -1 : 1)).map(([group, whats]) => (
        <List.Item key={group}><NameLink kind="group" name={group} strong />: {whats.join(", ")}</List.Item>
      ))}
    </List>
  );
}
