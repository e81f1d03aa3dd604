import type { MessageInitShape } from "@bufbuild/protobuf";
import { useMutation } from "@tanstack/react-query";
import type { TestUpstreamRequestSchema } from "@tollkeeper/client/v1/upstream_service";
import { useUpstreamCalls } from "../queries";

// The gateway takes 30 seconds at most.
const TIMEOUT_MS = 35_000;

/** Test an upstream, saved or not. */
export function useTest() {
  const { client } = useUpstreamCalls();
  return useMutation({
    mutationFn: (request: MessageInitShape<typeof TestUpstreamRequestSchema>) => client.testUpstream(request, { timeoutMs: TIMEOUT_MS }),
  });
}
