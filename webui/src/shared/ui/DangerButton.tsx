import { Button } from "@mantine/core";
import type { ReactNode } from "react";

interface Props {
  children: string;
  icon?: ReactNode;
  onClick: () => void;
}

/** A button that takes something away, once that is confirmed: red, as such an action is in a menu. */
export function DangerButton({ children, icon, onClick }: Props) {
  return <Button variant="default" c="var(--mantine-color-error)" leftSection={icon} onClick={onClick}>{children}</Button>;
}
