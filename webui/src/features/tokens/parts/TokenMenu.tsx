import { IconKeyOff, IconPencil, IconPlayerPlay, IconPlayerStop, IconRotate } from "@tabler/icons-react";
import type { Token } from "@tollkeeper/client/v1/token_service";
import { RowMenu } from "../../../shared/ui/RowMenu";
import { titleOf } from "../useTokenActions";

interface TokenActions {
  onEdit: () => void;
  onRotate: () => void;
  onActive: (isActive: boolean) => void;
  onRevoke: () => void;
}

/** What can be done with a token. */
export function TokenMenu({ token, onEdit, onRotate, onActive, onRevoke }: { token: Token } & TokenActions) {
  const actions = [
    { label: "Edit", icon: <IconPencil size={16} />, onClick: onEdit },
    { label: "Rotate…", icon: <IconRotate size={16} />, onClick: onRotate },
    token.isActive
      ? { label: "Deactivate", icon: <IconPlayerStop size={16} />, onClick: () => onActive(false) }
      : { label: "Activate", icon: <IconPlayerPlay size={16} />, onClick: () => onActive(true) },
    ...(token.isActive ? [{ label: "Revoke…", icon: <IconKeyOff size={16} />, danger: true, onClick: onRevoke }] : []),
  ];
  return <RowMenu name={titleOf(token)} actions={actions} />;
}
