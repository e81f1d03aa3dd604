import { BreakerState, type UpstreamStatus } from "@tollkeeper/client/v1/status_service";
import type { Upstream } from "@tollkeeper/client/v1/upstream_service";
import { RowMenu } from "../../../shared/ui/RowMenu";
import { complain, say } from "../../../shared/ui/say";
import { useUpstreamCalls } from "../queries";
import type { Act } from "../search";

interface Props {
  upstream: Upstream;
  status: UpstreamStatus | undefined;
  onAct: (act: Act) => void;
}

/** What can be done with an upstream. */
export function UpstreamMenu({ upstream, status, onAct }: Props) {
  const calls = useUpstreamCalls();
  const { name, isActive } = upstream;
  const run = (done: Promise<unknown>, said?: string) =>
    done.then(
      () => said && say(said),
      (error: unknown) => complain("It was not done", error),
    );
  const actions = [
    { label: "Test", onClick: () => onAct("test") },
    { label: "Edit", onClick: () => onAct("edit") },
    { label: "Replace key", onClick: () => onAct("key") },
    {
      label: isActive ? "Take out of traffic" : "Take back into traffic",
      onClick: () => void run(calls.toggle(upstream), isActive ? undefined : `${name} takes traffic.`),
    },
    {
      label: "Reset breaker",
      disabled: !isActive || status?.breaker === BreakerState.CLOSED,
      onClick: () => void run(calls.resetBreaker(name), `The breaker of ${name} is closed.`),
    },
    { label: "Delete", danger: true, onClick: () => onAct("delete") },
  ];
  return <RowMenu name={name} actions={actions} />;
}
