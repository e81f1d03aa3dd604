import { ActionIcon } from "@mantine/core";
import { IconDots } from "@tabler/icons-react";
import { lazy, Suspense, useState } from "react";
import type { MenuAction } from "./OpenMenu";

const OpenMenu = lazy(() => import("./OpenMenu").then((it) => ({ default: it.OpenMenu })));

/** What can be done with one thing of a list. The menu is loaded when it is first opened. */
export function RowMenu({ name, actions }: { name: string; actions: readonly MenuAction[] }) {
  const [opened, setOpened] = useState(false);
  const shown = { variant: "subtle", color: "gray", "aria-label": `Actions of ${name}`, children: <IconDots size={18} /> } as const;
  const button = <ActionIcon {...shown} aria-haspopup="menu" onClick={() => setOpened(true)} />;
  return opened ? <Suspense fallback={button}><OpenMenu button={shown} actions={actions} /></Suspense> : button;
}
