import { useQuery } from "@connectrpc/connect-query";
import { skipToken } from "@tanstack/react-query";
import { EntityKind } from "@tollkeeper/client/v1/configuration_service";
import { ModelService } from "@tollkeeper/client/v1/model_service";
import { lazy } from "react";
import { NamedOverlays, nameOf, type OverlaysProps } from "../../../shared/forms/NamedOverlays";
import { PreventsDeletion } from "../../../shared/ui/WhereUsed";
import { useModelCalls } from "../queries";
import type { Act } from "../search";
import type { Offer } from "./ModelForm";

const ModelForm = lazy(() => import("./ModelForm").then((it) => ({ default: it.ModelForm })));

/** What is open over a page about models, as its address says. */
export function Overlays({ offer, ...props }: OverlaysProps<Act> & { offer?: Offer | undefined }) {
  const { client, renew } = useModelCalls();
  const name = nameOf(props.act, props.name);
  const { data, error } = useQuery(ModelService.method.getModel, name === undefined ? skipToken : { name });
  return (
    <NamedOverlays
      {...props}
      kind="model"
      isThere={data?.model !== undefined}
      error={error}
      form={(it) => <ModelForm {...it} offer={offer} />}
      remove={(it) => client.deleteModel({ name: it })}
      references={(it) => <PreventsDeletion kind={EntityKind.MODEL} name={it} />}
      renew={renew}
    />
  );
}
