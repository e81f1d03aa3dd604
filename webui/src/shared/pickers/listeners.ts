import { createQueryOptions, useQuery, useTransport } from "@connectrpc/connect-query";
import { useQueries } from "@tanstack/react-query";
import { ListenerService } from "@tollkeeper/client/v1/listener_service";
import { byName, kept, lookUp, named, SIZE } from "./choice";

export const listeners = {
  kind: "listener" as const,
  useChoices(search: string) {
    const { data, isFetching } = useQuery(ListenerService.method.listListeners, { search, pageSize: SIZE, orderBy: "name", isActive: true }, kept);
    return { choices: named(data?.listeners), loading: isFetching };
  },
  useChosen(names: readonly string[]) {
    const transport = useTransport();
    const found = useQueries({
      queries: names.map((name) => ({ ...createQueryOptions(ListenerService.method.getListener, { name }, { transport }), ...lookUp })),
    });
    return byName(names, found);
  },
};
