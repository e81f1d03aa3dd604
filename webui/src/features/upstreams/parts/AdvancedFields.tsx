import { NumberInput, SimpleGrid, Switch, TagsInput, Text, Textarea, TextInput } from "@mantine/core";
import { DURATION_HELP } from "../../../shared/format/durations";
import { Fold } from "../../../shared/forms/Fold";
import { SecretField } from "../../../shared/forms/SecretField";
import type { FieldOf } from "../../../shared/forms/useEdit";
import { providerOf } from "../providers";
import { countSet, USUAL } from "../usual";
import type { HeaderRow, UpstreamValues } from "../values";
import { HeaderFields } from "./HeaderFields";

interface Props {
  values: UpstreamValues;
  field: FieldOf;
  /** What people may see of the stored secrets. */
  proxyMask: string;
  clientKeyMask: string;
  onHeaders: (rows: HeaderRow[]) => void;
}

const hint = (set: number): string => (set === 0 ? "the defaults" : `${set} set`);

/** What few upstreams need, folded up. */
export function AdvancedFields({ values, field, proxyMask, clientKeyMask, onHeaders }: Props) {
  const { timeouts, breaker, probe } = values;
  const tls = [
    (values.proxyUrl ?? proxyMask) !== "" && "outbound proxy",
    values.caCertificates !== "" && "authorities",
    values.clientCertificate !== "" && "client certificate",
  ].filter((it) => it !== false);
  const headers = values.headerOperations.length + values.passedHeaders.length + (values.requestIdHeader ? 1 : 0);
  return (
    <>
      <Fold title="Timeouts" hint={hint(countSet(timeouts, USUAL.timeouts))}>
        <Text size="xs" c="dimmed">Durations are written {DURATION_HELP}.</Text>
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <TextInput label="Connect" placeholder={USUAL.timeouts.connect} {...field("timeouts.connect")} />
          <TextInput label="First byte" description="Until the headers of the answer" placeholder={USUAL.timeouts.firstByte} {...field("timeouts.firstByte")} />
          <TextInput label="Idle" description="The longest silence within an answer" placeholder={USUAL.timeouts.idle} {...field("timeouts.idle")} />
          <TextInput label="Total" placeholder={USUAL.timeouts.total} {...field("timeouts.total")} />
        </SimpleGrid>
      </Fold>
      <Fold title="Breaker" hint={hint(countSet(breaker, USUAL.breaker))}>
        <Text size="xs" c="dimmed">It opens when, of enough calls within the window, this share has failed. After the cooldown one call at a time tries the upstream again.</Text>
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <NumberInput label="Threshold" description="The share of failed calls, 0.01 to 1" placeholder={String(USUAL.breaker.threshold)} min={0.01} max={1} step={0.05} {...field("breaker.threshold")} />
          <NumberInput label="Least number of calls" placeholder={String(USUAL.breaker.minCalls)} min={1} max={100_000} allowDecimal={false} {...field("breaker.minCalls")} />
          <TextInput label="Window" placeholder={USUAL.breaker.window} {...field("breaker.window")} />
          <TextInput label="Cooldown" placeholder={USUAL.breaker.cooldown} {...field("breaker.cooldown")} />
        </SimpleGrid>
      </Fold>
      <Fold title="Probe" hint={probe.isSet ? probe.path : "none"}>
        <Switch label="Check the upstream at intervals" description="An answer with a status below 500 is a success." {...field("probe.isSet", "checkbox")} />
        {probe.isSet && (
          <SimpleGrid cols={{ base: 1, xs: 3 }}>
            <TextInput label="Path" required {...field("probe.path")} />
            <TextInput label="Interval" placeholder="10 s" {...field("probe.interval")} />
            <TextInput label="Timeout" placeholder="5 s" {...field("probe.timeout")} />
          </SimpleGrid>
        )}
      </Fold>
      <Fold title="Headers" hint={headers === 0 ? "none" : `${headers} set`}>
        <HeaderFields rows={values.headerOperations} field={field} onChange={onHeaders} />
        <TagsInput
          label="Passed headers"
          description="Headers of its answers that callers get although they are kept back otherwise, such as Set-Cookie."
          {...field("passedHeaders")}
        />
        <TextInput label="Request id header" description="A header in which every request gives the gateway's request id." placeholder="none" {...field("requestIdHeader")} />
      </Fold>
      <Fold title="TLS and proxy" hint={tls.join(", ") || "the system's authorities"}>
        <SecretField label="Proxy URL" description="An outbound proxy: http or https, with user name and password if it wants them." mask={proxyMask} {...field("proxyUrl")} />
        <Textarea label="CA certificates" description="Authorities to trust beside the system's, as PEM." autosize minRows={2} maxRows={8} spellCheck={false} {...field("caCertificates")} />
        <Switch label="Trust these authorities alone" {...field("caOnly", "checkbox")} />
        <Textarea label="Client certificate" description="Shown to the upstream if it asks for one, with its intermediates, as PEM." autosize minRows={2} maxRows={8} spellCheck={false} {...field("clientCertificate")} />
        <SecretField label="Client key" description="The private key of the client certificate, as PEM without a password." mask={clientKeyMask} lines {...field("clientKey")} />
      </Fold>
      <Fold title="More" hint={[values.listModels && "lists its models", values.omitStreamOptions && "no stream_options", values.drain !== "" && "drained"].filter((it) => it !== false).join(", ") || "the defaults"}>
        <Switch
          label="List its models"
          description="Ask it for its models in the background, and list them where a pattern or a listener's group leads to it."
          disabled={!(providerOf(values.provider)?.listsModels ?? false) || values.fullUrl !== ""}
          {...field("listModels", "checkbox")}
        />
        <Switch
          label="Omit stream_options"
          description="For upstreams that take none: usage of their streams is estimated unless they say it unasked."
          {...field("omitStreamOptions", "checkbox")}
        />
        <TextInput
          label="Read on when callers leave"
          description="For so long, so that all that is used is counted. Empty gives such answers up at once."
          placeholder="60s"
          {...field("drain")}
        />
      </Fold>
    </>
  );
}
