import { LimitScope } from "@tollkeeper/client/v1/limit";
import type { ReactNode } from "react";
import { AnchorLink } from "../ui/links";

interface Props {
  scope: LimitScope;
  scopeId: string;
  children: ReactNode;
  /** Whether it leads to the form of the limits, and not to the page. */
  edit?: boolean;
}

/** The kinds of what limits stand on, as words. */
export const SCOPES: Record<LimitScope, string> = {
  [LimitScope.UNSPECIFIED]: "limit",
  [LimitScope.GATEWAY]: "gateway",
  [LimitScope.LISTENER]: "listener",
  [LimitScope.PROJECT]: "project",
  [LimitScope.MODEL]: "model",
  [LimitScope.TOKEN]: "token",
};

/** Return the kind of scope that a word names. */
export const scopeOf = (word: string): LimitScope => Number(Object.entries(SCOPES).find(([, it]) => it === word)?.[0] ?? LimitScope.UNSPECIFIED);

/** A link to what a limit stands on. */
export function ScopeLink({ scope, scopeId, children, edit = false }: Props) {
  const act = edit ? ({ act: "edit" } as const) : {};
  const words = { underline: "always", children } as const;
  switch (scope) {
    case LimitScope.GATEWAY:
      return <AnchorLink {...words} to="/settings" search={{ tab: "limits", ...(edit ? ({ act: "limits" } as const) : {}) }} />;
    case LimitScope.LISTENER:
      return <AnchorLink {...words} to="/listeners/$name" params={{ name: scopeId }} search={act} />;
    case LimitScope.PROJECT:
      return <AnchorLink {...words} to="/projects/$id" params={{ id: scopeId }} search={act} />;
    case LimitScope.MODEL:
      return <AnchorLink {...words} to="/models/$name" params={{ name: scopeId }} search={act} />;
    case LimitScope.TOKEN:
      return <AnchorLink {...words} to="/tokens/$id" params={{ id: scopeId }} search={act} />;
    default:
      return children;
  }
}
