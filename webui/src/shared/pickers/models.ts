import { useQuery } from "@connectrpc/connect-query";
import { ModelService } from "@tollkeeper/client/v1/model_service";
import { byName, kept, named, SIZE } from "./choice";

export const models = {
  kind: "model" as const,
  useChoices(search: string) {
    const { data, isFetching } = useQuery(ModelService.method.listModels, { search, pageSize: SIZE, orderBy: "name" }, kept);
    return { choices: named(data?.models), loading: isFetching };
  },
  // Callers ask for names that no model has, too.
  useChosen: (names: readonly string[]) => byName(names, []),
};
