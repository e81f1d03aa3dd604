import type { DescService } from "@bufbuild/protobuf";
import { createConnectQueryKey } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";

/** Return a function that has everything read anew that came from these services. */
export function useRefresh(...services: readonly DescService[]): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await Promise.all(
      services.map((schema) => client.invalidateQueries({ queryKey: createConnectQueryKey({ schema, cardinality: undefined }) })),
    );
  };
}
