import { createQueryOptions, useQuery, useTransport } from "@connectrpc/connect-query";
import { useQueries } from "@tanstack/react-query";
import { GroupService } from "@tollkeeper/client/v1/group_service";
import { byName, kept, lookUp, named, SIZE } from "./choice";

export const groups = {
  kind: "group" as const,
  useChoices(search: string) {
    const { data, isFetching } = useQuery(GroupService.method.listGroups, { search, pageSize: SIZE, orderBy: "name" }, kept);
    return { choices: named(data?.groups), loading: isFetching };
  },
  useChosen(names: readonly string[]) {
    const transport = useTransport();
    const found = useQueries({
      queries: names.map((name) => ({ ...createQueryOptions(GroupService.method.getGroup, { name }, { transport }), ...lookUp })),
    });
    return byName(names, found);
  },
};
