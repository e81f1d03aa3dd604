import type { Management } from "./management";

/** An address of the company's console, and a text that is there when it is ready. */
export interface Place {
  name: string;
  path: string;
  ready: string;
}

interface Identified {
  id: string;
}

/** Return every page, and the dialogs that are opened by their address. */
export async function everywhere(management: Management): Promise<Place[]> {
  const project = (await management.get<Identified[]>("projects?search=support"))[0]?.id ?? "";
  const token = (await management.get<Identified[]>("tokens?search=evaluation"))[0]?.id ?? "";
  const events = await management.get<(Identified & { attempts: unknown[]; duration_microseconds: number })[]>("usage/events?page_size=200");
  const retried = events.filter((it) => it.attempts.length > 1);
  const longest = Math.max(...retried.map((it) => Number(it.duration_microseconds)));
  const event = retried.find((it) => Number(it.duration_microseconds) === longest)?.id ?? "";
  return [
    { name: "overview", path: "/", ready: "Needs attention" },
    { name: "projects", path: "/projects", ready: "Contract review" },
    { name: "project", path: `/projects/${project}`, ready: "Recent calls" },
    { name: "project-edit", path: `/projects/${project}?act=edit`, ready: "Add a label" },
    { name: "tokens", path: "/tokens", ready: "10,000 or more" },
    { name: "tokens-of-project", path: `/tokens?project=${project}`, ready: "in all" },
    { name: "token", path: `/tokens/${token}`, ready: "Use it" },
    { name: "token-edit", path: `/tokens/${token}?act=edit`, ready: "Add a label" },
    { name: "token-new", path: "/tokens?act=new", ready: "Allowed models" },
    { name: "upstreams", path: "/upstreams", ready: "vllm-berlin" },
    { name: "upstream-open", path: "/upstreams/vllm-berlin", ready: "Health" },
    { name: "upstream-new", path: "/upstreams?act=new", ready: "Base URL" },
    { name: "groups", path: "/groups", ready: "gpu-cluster" },
    { name: "group", path: "/groups/gpu-cluster", ready: "Session header" },
    { name: "models", path: "/models", ready: "gpt-4o-mini" },
    { name: "model", path: "/models/gpt-4o", ready: "What is tried, in order" },
    { name: "listeners", path: "/listeners", ready: "factory" },
    { name: "listener", path: "/listeners/factory", ready: "/llm/*" },
    { name: "tester", path: "/tester?listener=factory&path=%2Fv1%2Fchat%2Fcompletions&model=gpt-4o", ready: "Path" },
    { name: "usage", path: "/usage", ready: "Totals" },
    { name: "calls", path: "/calls", ready: "smoke test" },
    { name: "call", path: `/calls?call=${event}`, ready: "Attempts" },
    { name: "playground", path: `/playground?token=${token}&model=gpt-4o`, ready: "Nothing was asked yet" },
    { name: "settings", path: "/settings", ready: "Journal" },
    { name: "limits", path: "/settings?tab=limits", ready: "Limits of the gateway" },
    { name: "limits-edit", path: "/settings?tab=limits&act=limits", ready: "Add a limit" },
    { name: "nowhere", path: "/nowhere", ready: "There is no such page" },
  ];
}
