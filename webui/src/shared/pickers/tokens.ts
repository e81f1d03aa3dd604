import { createQueryOptions, useQuery, useTransport } from "@connectrpc/connect-query";
import { useQueries } from "@tanstack/react-query";
import { TokenService } from "@tollkeeper/client/v1/token_service";
import { isMissing, kept, lookUp, SIZE } from "./choice";

/** The tokens of a project, or of all. */
export const tokensOf = (projectId: string | undefined) => ({
  kind: "token" as const,
  useChoices(search: string) {
    const { data, isFetching } = useQuery(
      TokenService.method.listTokens,
      { search, pageSize: SIZE, orderBy: "name", projectId: projectId ?? "" },
      kept,
    );
    return { choices: (data?.tokens ?? []).map((it) => ({ value: it.id, label: labelOf(it) })), loading: isFetching };
  },
  useChosen(ids: readonly string[]) {
    const transport = useTransport();
    const found = useQueries({
      queries: ids.map((id) => ({ ...createQueryOptions(TokenService.method.getToken, { id }, { transport }), ...lookUp })),
    });
    return {
      known: found.flatMap(({ data }) => (data?.token ? [{ value: data.token.id, label: labelOf(data.token) }] : [])),
      missing: ids.filter((_, at) => isMissing(found[at])),
    };
  },
});

const labelOf = (token: { name: string; token: string; projectName: string }): string =>
  `${token.name || token.token} · ${token.projectName}`;
