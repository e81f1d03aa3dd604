import { Stack, Text } from "@mantine/core";
import type { Model } from "@tollkeeper/client/v1/model_service";
import type { DatedPrice } from "@tollkeeper/client/v1/price";
import { formatPrice } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { Facts } from "../../../shared/ui/Facts";
import { ratesInWords, restInWords } from "../priceWords";

/** The price of a model as it is configured, and those of its deployments. */
export function PriceFacts({ model: { price, prices, deployments } }: { model: Model }) {
  const own = deployments.filter((it) => it.prices.length > 0);
  return (
    <Stack gap="xs">
      {price && (
        <Facts
          facts={[
            { name: "Prompt", value: formatPrice(price.prompt) },
            { name: "Completion", value: formatPrice(price.completion) },
            { name: "Cached prompt", value: price.cached === undefined ? "the same as prompt" : formatPrice(price.cached) },
          ]}
        />
      )}
      {prices.length > 0 && <DatedPrices prices={prices} />}
      {!price && prices.length === 0 && <Text size="sm">None of its own: its calls cost what the prices that ship with the gateway say, if they have it.</Text>}
      {own.map((it) => (
        <Stack key={`${it.upstream} ${it.upstreamModel}`} gap={0}>
          <Text size="sm" fw={500}>At {it.upstream}{it.upstreamModel && ` as ${it.upstreamModel}`}</Text>
          <DatedPrices prices={it.prices} />
        </Stack>
      ))}
    </Stack>
  );
}

function DatedPrices({ prices }: { prices: readonly DatedPrice[] }) {
  return (
    <>
      {prices.map((it, at) => (
        <Stack key={at} gap={0}>
          <Text size="sm">
            {it.startTime && <>From <Time time={it.startTime} />: </>}
            {it.hours && `at ${it.hours} UTC: `}
            {ratesInWords(it.rates)}
          </Text>
          {restInWords(it).map((text) => <Text key={text} size="xs" c="dimmed" pl="md">{text}</Text>)}
        </Stack>
      ))}
      <Text size="xs" c="dimmed">Tokens cost that for a million.</Text>
    </>
  );
}
