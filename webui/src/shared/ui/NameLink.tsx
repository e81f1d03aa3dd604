import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";

const ROUTES = { upstream: "/upstreams/$name", group: "/groups/$name", model: "/models/$name", listener: "/listeners/$name" } as const;

interface Props {
  kind: keyof typeof ROUTES;
  name: string;
  strong?: boolean;
  /** Whether it stands within a sentence, where its colour alone would not tell it. */
  inText?: boolean;
}

/** The name of a thing, which leads to its page. */
export function NameLink({ kind, name, strong = false, inText = false }: Props) {
  return (
    <Anchor size="sm" underline={inText ? "always" : "hover"} fw={strong ? 600 : 400} style={{ overflowWrap: "anywhere" }} renderRoot={(props) => <Link {...props} to={ROUTES[kind]} params={{ name }} />}>
      {name}
    </Anchor>
  );
}
