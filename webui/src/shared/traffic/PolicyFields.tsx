import { NumberInput, Select, SimpleGrid, Switch, TextInput } from "@mantine/core";
import { DURATION_HELP } from "../format/durations";
import { Fold } from "../forms/Fold";
import type { FieldOf } from "../forms/useEdit";
import { type PolicyValues, policyWords, STRATEGIES, strategyOf } from "./policy";

interface Props {
  policy: PolicyValues;
  field: FieldOf;
  onStrategy: (strategy: PolicyValues["strategy"]) => void;
}

/** The rule by which upstreams are chosen. */
export function StrategyField({ policy, field, onStrategy }: Props) {
  return (
    <Select
      label="Strategy"
      description={strategyOf(policy.strategy).meaning}
      allowDeselect={false}
      data={STRATEGIES.map((it) => ({ value: String(it.value), label: it.label }))}
      error={field("policy.strategy").error}
      data-path="policy.strategy"
      value={String(policy.strategy)}
      onChange={(it) => onStrategy(Number(it))}
    />
  );
}

/** What a policy has beyond its strategy, folded up. */
export function PolicyFields({ policy, field }: Pick<Props, "policy" | "field">) {
  const { retry } = policy;
  return (
    <Fold title="Retries, timeouts and more" hint={policyWords(policy)}>
      <Switch
        label="Retries with waits"
        description="Without, a failed call is repeated at once, at up to two that were not tried yet."
        {...field("policy.retry.isSet", "checkbox")}
      />
      {retry.isSet && (
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <NumberInput label="Attempts after the first" placeholder="2" min={0} max={100} {...field("policy.retry.attempts")} />
          <NumberInput label="Budget (percent of requests)" placeholder="20" min={1} max={100} {...field("policy.retry.budgetPercent")} />
          <TextInput label="First wait at most" placeholder="500 ms" {...field("policy.retry.initial")} />
          <TextInput label="Any wait at most" placeholder="8 s" {...field("policy.retry.max")} />
          <TextInput label="Last call begins within" placeholder="60 s" {...field("policy.retry.total")} />
          <Switch mt="lg" label="Only what is safe to repeat" {...field("policy.retry.onlySafe", "checkbox")} />
        </SimpleGrid>
      )}
      <SimpleGrid cols={{ base: 1, xs: 3 }}>
        <TextInput label="Connect timeout" placeholder="the upstream's" {...field("policy.timeouts.connect")} />
        <TextInput label="Request timeout" placeholder="the upstream's" {...field("policy.timeouts.request")} />
        <TextInput label="Idle timeout" placeholder="the upstream's" {...field("policy.timeouts.idle")} />
      </SimpleGrid>
      <TextInput
        label="Session header"
        description="A request header whose value pins a caller to one upstream while that is available."
        {...field("policy.sessionHeader")}
      />
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <TextInput label="User agent" placeholder="the caller's" {...field("policy.userAgent")} />
        <TextInput label="Keep-alive after" description={`Durations are written ${DURATION_HELP}.`} placeholder="60 s" {...field("policy.keepAlive")} />
      </SimpleGrid>
    </Fold>
  );
}
