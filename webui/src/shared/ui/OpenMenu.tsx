import { ActionIcon, type ActionIconProps, Menu } from "@mantine/core";
import { Fragment, type ReactNode } from "react";

/** Something that can be done, as an item of a menu. */
export interface MenuAction {
  label: string;
  icon?: ReactNode;
  onClick: () => void;
  disabled?: boolean;
  /** Whether it takes something away: it stands last, behind a line. */
  danger?: boolean;
}

/** A menu that opens as soon as it is there. */
export function OpenMenu({ button, actions }: { button: ActionIconProps; actions: readonly MenuAction[] }) {
  const danger = actions.findIndex((it) => it.danger);
  return (
    <Menu position="bottom-end" withinPortal defaultOpened trapFocus>
      <Menu.Target><ActionIcon {...button} /></Menu.Target>
      <Menu.Dropdown>
        {actions.map(({ label, icon, onClick, disabled = false, danger: isDanger = false }, index) => (
          <Fragment key={label}>
            {index === danger && index > 0 && <Menu.Divider />}
            <Menu.Item leftSection={icon} disabled={disabled} onClick={onClick} {...(isDanger ? { c: "var(--mantine-color-error)" } : {})}>
              {label}
            </Menu.Item>
          </Fragment>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
