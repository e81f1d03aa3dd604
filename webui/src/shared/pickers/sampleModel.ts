import { Capability, type Model } from "@tollkeeper/client/v1/model_service";

const OTHER_ENDPOINTS = /embed|rerank|tts|whisper|transcri|image|dall|moderat|turbo-instruct|davinci|babbage/i;
const isWhole = (name: string) => !name.endsWith("*");

/** Return whether a name, or a pattern of names with a * at its end, has another in it. */
export const fits = (pattern: string, name: string): boolean => (isWhole(pattern) ? pattern === name : name.startsWith(pattern.slice(0, -1)));

/** Return whether a model of this name is one to chat with: a name tells well enough what is made for something else. */
export const isChat = (name: string): boolean => !OTHER_ENDPOINTS.test(name);

const servesChats = ({ isActive, capabilities }: Model): boolean =>
  isActive && (capabilities.length === 0 || capabilities.includes(Capability.CHAT_COMPLETIONS));

/** The names and patterns of models that a first call, a chat, may have. */
export const servedNames = (models: readonly Model[]): string[] => models.filter(servesChats).flatMap((it) => [it.name, ...it.aliases]).filter(isChat);

/**
 * Return a name of a model that exists, and that a first call may have: one that `allowed` says, if it says any. `more` are further names that
 * an upstream has, for models that are patterns.
 */
export function sampleOf(models: readonly Model[], allowed: readonly string[], more: readonly string[] = []): string | undefined {
  const served = servedNames(models);
  const mayBe = (name: string) => isWhole(name) && (allowed.length === 0 || allowed.some((it) => fits(it, name)));
  return (
    allowed.find((name) => isWhole(name) && served.some((it) => fits(it, name))) ??
    served.find(mayBe) ??
    more.find((name) => mayBe(name) && isChat(name) && served.some((it) => fits(it, name)))
  );
}
