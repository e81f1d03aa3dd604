import { useNavigate } from "@tanstack/react-router";
import { Capability, type Model } from "@tollkeeper/client/v1/model_service";
import { RowMenu } from "../../../shared/ui/RowMenu";
import { complain, say } from "../../../shared/ui/say";
import { useModelCalls } from "../queries";
import { samplePath } from "../capabilities";
import type { Act } from "../search";

/** What can be done with a model. */
export function ModelMenu({ model, onAct }: { model: Model; onAct: (act: Act) => void }) {
  const { toggle } = useModelCalls();
  const navigate = useNavigate();
  // No request names a pattern.
  const isName = !model.name.includes("*");
  const chats = model.capabilities.length === 0 || model.capabilities.includes(Capability.CHAT_COMPLETIONS);
  const turn = () =>
    toggle(model).then(
      () => model.isActive || say(`${model.name} takes traffic.`),
      (error: unknown) => complain("It was not done", error),
    );
  const actions = [
    { label: "Edit", onClick: () => onAct("edit") },
    { label: model.isActive ? "Take out of traffic" : "Take back into traffic", onClick: () => void turn() },
    ...(isName ? [{ label: "Test its route", onClick: () => void navigate({ to: "/tester", search: { model: model.name, path: samplePath(model.capabilities) } }) }] : []),
    ...(isName && chats ? [{ label: "Try it in the playground", onClick: () => void navigate({ to: "/playground", search: { model: model.name } }) }] : []),
    { label: "Delete", danger: true, onClick: () => onAct("delete") },
  ];
  return <RowMenu name={model.name} actions={actions} />;
}
