import { Text } from "@mantine/core";
import { ChangeAction } from "@tollkeeper/client/v1/configuration_service";
import { AnchorLink } from "../../../shared/ui/links";
import { NameLink } from "../../../shared/ui/NameLink";

interface Props {
  kind: string;
  /** The id of a project, or the name of any other. */
  id: string;
  name: string;
  action: ChangeAction;
}

/** The name of what was changed, which leads to its page if it was not removed; a later revision may have done so, and its page says it. */
export function EntityLink({ kind, id, name, action }: Props) {
  if (action !== ChangeAction.DELETE) {
    if (kind === "project") return <AnchorLink to="/projects/$id" params={{ id }} underline="always">{name || id}</AnchorLink>;
    if (kind === "gateway") return <AnchorLink to="/settings" search={{ tab: "limits" }} underline="always">limits</AnchorLink>;
    if (kind === "upstream" || kind === "group" || kind === "model" || kind === "listener") return <NameLink kind={kind} name={name} inText />;
  }
  return <Text span size="sm" fw={500}>{name || id}</Text>;
}
