import type { Model } from "@tollkeeper/client/v1/model_service";
import { RowMenu } from "../../../shared/ui/RowMenu";
import { complain, say } from "../../../shared/ui/say";
import { useModelCalls } from "../queries";
import type { Act } from "../search";

/** What can be done with a model. */
export function ModelMenu({ model, onAct }: { model: Model; onAct: (act: Act) => void }) {
  const { toggle } = useModelCalls();
  const turn = () =>
    toggle(model).then(
      () => model.isActive || say(`${model.name} takes traffic.`),
      (error: unknown) => complain("It was not done", error),
    );
  const actions = [
    { label: "Edit", onClick: () => onAct("edit") },
    { label: model.isActive ? "Take out of traffic" : "Take back into traffic", onClick: () => void turn() },
    { label: "Delete", danger: true, onClick: () => onAct("delete") },
  ];
  return <RowMenu name={model.name} actions={actions} />;
}
