import { Checkbox, SimpleGrid } from "@mantine/core";
import { Fold } from "../../../shared/forms/Fold";
import type { FieldOf } from "../../../shared/forms/useEdit";
import { CAPABILITIES } from "../capabilities";
import type { ModelValues } from "../values";

/** The endpoints that a model serves. */
export function CapabilityFields({ values, field }: { values: ModelValues; field: FieldOf }) {
  const chosen = values.capabilities.length;
  return (
    <Fold title="Endpoints" hint={chosen === 0 ? "all" : `${chosen} of ${CAPABILITIES.length}`}>
      <Checkbox.Group label="Endpoints that it serves" description="None chosen means all." {...field("capabilities")}>
        <SimpleGrid cols={{ base: 1, xs: 2 }} mt="xs">
          {CAPABILITIES.map((it) => <Checkbox key={it.value} value={String(it.value)} label={it.label} />)}
        </SimpleGrid>
      </Checkbox.Group>
    </Fold>
  );
}
