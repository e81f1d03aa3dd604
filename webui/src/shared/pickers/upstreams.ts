import { createQueryOptions, useQuery, useTransport } from "@connectrpc/connect-query";
import { useQueries } from "@tanstack/react-query";
import { UpstreamService } from "@tollkeeper/client/v1/upstream_service";
import { byName, kept, lookUp, named, SIZE } from "./choice";

export const upstreams = {
  kind: "upstream" as const,
  useChoices(search: string) {
    const { data, isFetching } = useQuery(UpstreamService.method.listUpstreams, { search, pageSize: SIZE, orderBy: "name" }, kept);
    return { choices: named(data?.upstreams), loading: isFetching };
  },
  useChosen(names: readonly string[]) {
    const transport = useTransport();
    const found = useQueries({
      queries: names.map((name) => ({ ...createQueryOptions(UpstreamService.method.getUpstream, { name }, { transport }), ...lookUp })),
    });
    return byName(names, found);
  },
};
