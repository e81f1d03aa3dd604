import { Text } from "@mantine/core";
import type { Model } from "@tollkeeper/client/v1/model_service";
import { formatPrice } from "../../../shared/format/numbers";
import { ratesInWords } from "../priceWords";

const dollars = (nanos: bigint): string => formatPrice(nanos).replace(" / M tokens", "");

/** The price of a model in a few words, or that it has none of its own. */
export function PriceInShort({ model: { price, prices } }: { model: Model }) {
  if (price) return <>{dollars(price.prompt)} in, {dollars(price.completion)} out</>;
  const [first] = prices;
  if (!first) return <Text size="sm" c="dimmed">as shipped</Text>;
  return <>{ratesInWords(first.rates)}{prices.length > 1 && `, and ${prices.length - 1} more`}</>;
}
