import { Stack, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { tokensOf } from "../../../shared/pickers/tokens";
import { PickOne } from "../../../shared/pickers/Picker";
import { Autocomplete } from "../../../shared/ui/inputs";
import { NumberInput } from "../../../shared/ui/numberInput";
import { modelsOf, Refusal } from "../chat";

export interface Settings {
  system: string;
  temperature: number | undefined;
  maxTokens: number | undefined;
}

interface Props {
  token: string | undefined;
  model: string | undefined;
  settings: Settings;
  onToken: (token: string | undefined) => void;
  onModel: (model: string | undefined) => void;
  onSettings: (settings: Settings) => void;
}

const anyToken = tokensOf(undefined);
const numberOf = (value: string | number): number | undefined => (value === "" ? undefined : Number(value));

/** As whom, which model, and how. */
export function ChatSettings({ token, model, settings, onToken, onModel, onSettings }: Props) {
  const models = useQuery({
    queryKey: ["playground models", token],
    queryFn: ({ signal }) => modelsOf(token ?? "", signal),
    enabled: token !== undefined,
    retry: false,
  });
  return (
    <Stack gap="sm">
      <PickOne label="Token" description="The call counts and is limited as one of this token" value={token} onChange={onToken} {...anyToken} />
      <Autocomplete
        label="Model"
        description={token === undefined ? "Choose a token first: it says which models there are" : "Any name can be typed, as callers can send any"}
        data={models.data ?? []}
        value={model ?? ""}
        error={models.error ? whyNone(models.error) : undefined}
        onChange={(it) => onModel(it === "" ? undefined : it)}
      />
      <Textarea
        label="System message"
        autosize
        minRows={2}
        maxRows={8}
        value={settings.system}
        onChange={(event) => onSettings({ ...settings, system: event.currentTarget.value })}
      />
      <NumberInput
        label="Temperature"
        placeholder="the model's own"
        min={0}
        max={2}
        step={0.1}
        value={settings.temperature ?? ""}
        onChange={(it) => onSettings({ ...settings, temperature: numberOf(it) })}
      />
      <NumberInput
        label="Most tokens of an answer"
        placeholder="the model's own"
        min={1}
        allowDecimal={false}
        value={settings.maxTokens ?? ""}
        onChange={(it) => onSettings({ ...settings, maxTokens: numberOf(it) })}
      />
    </Stack>
  );
}

function whyNone(error: Error): string {
  return error instanceof Refusal ? `The list of models is refused with ${error.status}` : `The models can't be listed: ${error.message}`;
}
