import { useDataUrl } from "../../../shared/api/dataUrl";
import { useSampleModel } from "../../../shared/pickers/useSampleModel";
import { SecretOnce } from "../../../shared/ui/SecretOnce";
import type { Minted } from "./TokenForm";

/** The secret of a token that was made or rotated, with calls that its models allow. */
export function ShowSecret({ minted, onClose }: { minted: Minted; onClose: () => void }) {
  const dataUrl = useDataUrl();
  const sample = useSampleModel(minted.allowedModels);
  return <SecretOnce secret={minted.secret} dataUrl={dataUrl} sample={sample} onClose={onClose} />;
}
