import { useNavigate } from "@tanstack/react-router";
import type { Listener } from "@tollkeeper/client/v1/listener_service";
import { RowMenu } from "../../../shared/ui/RowMenu";
import { useListenerCalls } from "../queries";
import type { Act } from "../search";

/** What can be done with a listener. */
export function ListenerMenu({ listener, onAct }: { listener: Listener; onAct: (act: Act) => void }) {
  const { toggle } = useListenerCalls();
  const navigate = useNavigate();
  const test = () => void navigate({ to: "/tester", search: { listener: listener.name } });
  const actions = [
    { label: "Edit", onClick: () => onAct("edit") },
    { label: listener.isActive ? "Deactivate" : "Activate", onClick: () => void toggle(listener) },
    ...(listener.isActive ? [{ label: "Test a route", onClick: test }] : []),
    { label: "Delete", danger: true, onClick: () => onAct("delete") },
  ];
  return <RowMenu name={listener.name} actions={actions} />;
}
