import { IconKey, IconKeyOff, IconPencil, IconPlayerPlay, IconPlayerStop } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import type { Project } from "@tollkeeper/client/v1/project_service";
import { RowMenu } from "../../../shared/ui/RowMenu";

interface Props {
  project: Project;
  onEdit: () => void;
  onActive: (isActive: boolean) => void;
  onRevokeAll: () => void;
}

/** What can be done with a project. */
export function ProjectMenu({ project, onEdit, onActive, onRevokeAll }: Props) {
  const navigate = useNavigate();
  const mint = () => void navigate({ to: "/tokens", search: { project: project.id, act: "new" } });
  const actions = [
    { label: "Edit", icon: <IconPencil size={16} />, onClick: onEdit },
    ...(project.isActive ? [{ label: "New token", icon: <IconKey size={16} />, onClick: mint }] : []),
    project.isActive
      ? { label: "Deactivate", icon: <IconPlayerStop size={16} />, onClick: () => onActive(false) }
      : { label: "Activate", icon: <IconPlayerPlay size={16} />, onClick: () => onActive(true) },
    { label: "Revoke all tokens…", icon: <IconKeyOff size={16} />, danger: true, onClick: onRevokeAll },
  ];
  return <RowMenu name={project.name} actions={actions} />;
}
