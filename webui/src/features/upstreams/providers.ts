import { AuthScheme, Provider } from "@tollkeeper/client/v1/upstream_service";

interface ProviderInfo {
  value: Provider;
  label: string;
  meaning: string;
  /** The base URL where the form gives none. */
  baseUrl: string;
  placeholder: string;
  keyHint: string;
  /** The fields beyond those of every upstream. */
  settings: readonly ("organization" | "project" | "apiVersion" | "fullUrl" | "authScheme" | "keepPath")[];
  apiVersion: string;
  listsModels: boolean;
}

export const PROVIDERS: readonly ProviderInfo[] = [
  {
    value: Provider.OPENAI,
    label: "OpenAI",
    meaning: "OpenAI, or a service with the same API and headers",
    baseUrl: "https://api.openai.com/v1",
    placeholder: "https://api.openai.com/v1",
    keyHint: "Sent as Authorization: Bearer.",
    settings: ["organization", "project"],
    apiVersion: "",
    listsModels: true,
  },
  {
    value: Provider.ANTHROPIC,
    label: "Anthropic",
    meaning: "Anthropic, with its headers x-api-key and anthropic-version",
    baseUrl: "https://api.anthropic.com/v1",
    placeholder: "https://api.anthropic.com/v1",
    keyHint: "Sent as x-api-key.",
    settings: ["apiVersion"],
    apiVersion: "2023-06-01",
    listsModels: true,
  },
  {
    value: Provider.AZURE,
    label: "Azure OpenAI",
    meaning: "Azure OpenAI: the deployment is in the path, and api-version in the query",
    baseUrl: "",
    placeholder: "https://NAME.openai.azure.com",
    keyHint: "Sent as api-key.",
    settings: ["apiVersion"],
    apiVersion: "2024-10-21",
    listsModels: false,
  },
  {
    value: Provider.GENERIC,
    label: "Generic",
    meaning: "Any other HTTP server",
    baseUrl: "",
    placeholder: "http://127.0.0.1:11434/v1",
    keyHint: "Sent as the scheme below says.",
    settings: ["fullUrl", "authScheme", "keepPath"],
    apiVersion: "",
    listsModels: true,
  },
];

export const providerOf = (value: Provider): ProviderInfo | undefined => PROVIDERS.find((it) => it.value === value);

export const providerName = (value: Provider): string => providerOf(value)?.label ?? "Unknown";

export const SCHEMES: readonly { value: AuthScheme; label: string }[] = [
  { value: AuthScheme.UNSPECIFIED, label: "Bearer with a key, else none" },
  { value: AuthScheme.BEARER, label: "Authorization: Bearer" },
  { value: AuthScheme.BASIC, label: "Authorization: Basic" },
  { value: AuthScheme.HEADER, label: "A header of its own" },
  { value: AuthScheme.NONE, label: "None" },
];
