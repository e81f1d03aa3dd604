import { useQuery } from "@connectrpc/connect-query";
import { ModelService } from "@tollkeeper/client/v1/model_service";
import { sampleOf } from "./sampleModel";

/** The models that are looked at for a sample: the oldest that take traffic. */
export const LOOKED_AT = { pageSize: 50, orderBy: "created_at", isActive: true };

/** A model that a first call may name. */
export interface Sample {
  /** Undefined if there is none. */
  model: string | undefined;
  /** Whether it was looked. */
  isKnown: boolean;
}

/** Return a model that exists, and that a first call with a token may name. */
export function useSampleModel(allowed: readonly string[]): Sample {
  const { data, isPending } = useQuery(ModelService.method.listModels, LOOKED_AT, { staleTime: 60_000 });
  return { model: sampleOf(data?.models ?? [], allowed), isKnown: !isPending };
}
