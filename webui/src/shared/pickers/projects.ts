import { useQuery } from "@connectrpc/connect-query";
import { ProjectService } from "@tollkeeper/client/v1/project_service";
import { kept, SIZE } from "./choice";

export const projects = {
  kind: "project" as const,
  useChoices(search: string) {
    const { data, isFetching } = useQuery(ProjectService.method.listProjects, { search, pageSize: SIZE, orderBy: "name" }, kept);
    return { choices: (data?.projects ?? []).map((it) => ({ value: it.id, label: it.name })), loading: isFetching };
  },
  useChosen(ids: readonly string[]) {
    const { data, isPlaceholderData } = useQuery(ProjectService.method.listProjects, { ids: [...ids] }, { ...kept, enabled: ids.length > 0 });
    const known = (data?.projects ?? []).filter((it) => ids.includes(it.id)).map((it) => ({ value: it.id, label: it.name }));
    const isAnswered = data !== undefined && !isPlaceholderData;
    return { known, missing: isAnswered ? ids.filter((id) => !known.some((it) => it.value === id)) : [] };
  },
};
