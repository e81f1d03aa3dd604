import { SimpleGrid, Switch, Text, TextInput } from "@mantine/core";
import { Fold } from "../../../shared/forms/Fold";
import type { FieldOf } from "../../../shared/forms/useEdit";
import type { ModelValues } from "../values";

/** What tokens of a model cost. */
export function PriceFields({ values: { price }, field }: { values: ModelValues; field: FieldOf }) {
  const isPlain = price.more.length === 0;
  const hint = !price.isSet ? "as shipped" : isPlain ? `$${price.prompt || "?"} and $${price.completion || "?"} / M tokens` : `${price.more.length} of its own`;
  return (
    <Fold title="Price" hint={hint} opened>
      <Switch label="Has a price" {...field("price.isSet", "checkbox")} />
      {price.isSet && !isPlain && (
        <Text size="xs" c="dimmed">Its prices have dates, tiers, kinds of service or other units. They stay as they are: change them in a configuration file, or by tollkeeper model update --prices.</Text>
      )}
      {price.isSet && isPlain && (
        <>
          <Text size="xs" c="dimmed">Dollars for a million tokens.</Text>
          <SimpleGrid cols={{ base: 1, xs: 3 }}>
            <TextInput label="Prompt" required inputMode="decimal" placeholder="2.5" {...field("price.prompt")} />
            <TextInput label="Completion" required inputMode="decimal" placeholder="10" {...field("price.completion")} />
            <TextInput label="Cached prompt" inputMode="decimal" placeholder="as prompt" {...field("price.cached")} />
          </SimpleGrid>
        </>
      )}
    </Fold>
  );
}
