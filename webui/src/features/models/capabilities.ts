import { Capability, FallbackCause } from "@tollkeeper/client/v1/model_service";

export const CAPABILITIES: readonly { value: Capability; label: string }[] = [
  { value: Capability.CHAT_COMPLETIONS, label: "chat/completions" },
  { value: Capability.COMPLETIONS, label: "completions" },
  { value: Capability.EMBEDDINGS, label: "embeddings" },
  { value: Capability.RESPONSES, label: "responses" },
  { value: Capability.IMAGES_GENERATIONS, label: "images/generations" },
  { value: Capability.IMAGES_EDITS, label: "images/edits, variations" },
  { value: Capability.AUDIO_TRANSCRIPTIONS, label: "audio/transcriptions, translations" },
  { value: Capability.AUDIO_SPEECH, label: "audio/speech" },
  { value: Capability.MODERATIONS, label: "moderations" },
  { value: Capability.MESSAGES, label: "messages" },
];

export const capabilityName = (value: Capability): string => CAPABILITIES.find((it) => it.value === value)?.label ?? "unknown";

/** The path of a request that a model with these capabilities serves; without any it serves all. */
export const samplePath = ([first = Capability.CHAT_COMPLETIONS]: readonly Capability[]): string => `/v1/${capabilityName(first).split(",", 1)[0]}`;

export const CAUSES: readonly { value: FallbackCause; label: string; meaning: string }[] = [
  { value: FallbackCause.CONTEXT_LENGTH, label: "Too long", meaning: "the request is too long for the model" },
  { value: FallbackCause.CONTENT, label: "Content filter", meaning: "a content filter refused the request" },
];
