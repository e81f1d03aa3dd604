import { Input, SegmentedControl, Select, SimpleGrid, Switch, TextInput } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { AuthScheme } from "@tollkeeper/client/v1/upstream_service";
import { SecretField } from "../../../shared/forms/SecretField";
import type { FieldOf } from "../../../shared/forms/useEdit";
import { providerOf, PROVIDERS, SCHEMES } from "../providers";
import type { UpstreamValues } from "../values";

interface Props {
  values: UpstreamValues;
  field: FieldOf;
  isNew: boolean;
  /** The stored key as people may see it. */
  keyMask: string;
  onProvider: (provider: UpstreamValues["provider"]) => void;
  onScheme: (scheme: AuthScheme) => void;
}

/** Where an upstream is, and who the gateway is there. */
export function ConnectionFields({ values, field, isNew, keyMask, onProvider, onScheme }: Props) {
  const narrow = useMediaQuery("(max-width: 30em)");
  const provider = providerOf(values.provider);
  const has = (setting: string) => provider?.settings.some((it) => it === setting) ?? false;
  return (
    <>
      <Input.Wrapper label="Provider" labelElement="div" description={provider?.meaning}>
        <SegmentedControl
          fullWidth
          mt={4}
          orientation={narrow ? "vertical" : "horizontal"}
          aria-label="Provider"
          data={PROVIDERS.map((it) => ({ value: String(it.value), label: it.label }))}
          value={String(values.provider)}
          onChange={(it) => onProvider(Number(it))}
        />
      </Input.Wrapper>
      {isNew && (
        <TextInput label="Name" required description="Letters, digits, dots, dashes and underscores. It never changes." data-autofocus autoComplete="off" {...field("name")} />
      )}
      {values.fullUrl === "" && (
        <TextInput
          label="Base URL"
          required={provider?.baseUrl === ""}
          placeholder={provider?.placeholder}
          description={values.keepPath ? "The request's path is appended as it came." : "The request's path is appended without its /v1."}
          {...field("baseUrl")}
        />
      )}
      {has("fullUrl") && (values.fullUrl !== "" || values.baseUrl === "") && (
        <TextInput label="Full URL" description="Instead of a base URL: every request goes there, whatever its path." {...field("fullUrl")} />
      )}
      <SecretField label="API key" description={provider?.keyHint} mask={keyMask} {...field("apiKey")} />
      {has("authScheme") && (
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <Select
            label="Authentication"
            allowDeselect={false}
            data={SCHEMES.map((it) => ({ value: String(it.value), label: it.label }))}
            data-path="authScheme"
            error={field("authScheme").error}
            value={String(values.authScheme)}
            onChange={(it) => onScheme(Number(it))}
          />
          {values.authScheme === AuthScheme.HEADER && <TextInput label="Header" required placeholder="x-api-key" {...field("authHeader")} />}
          {values.authScheme === AuthScheme.BASIC && <TextInput label="User name" {...field("username")} />}
        </SimpleGrid>
      )}
      {has("apiVersion") && (
        <TextInput
          label="API version"
          required={provider?.baseUrl === ""}
          placeholder={provider?.apiVersion}
          {...field("apiVersion")}
        />
      )}
      {has("organization") && (
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <TextInput label="Organization" description="OpenAI-Organization" {...field("organization")} />
          <TextInput label="Project" description="OpenAI-Project" {...field("project")} />
        </SimpleGrid>
      )}
      {has("keepPath") && values.fullUrl === "" && (
        <Switch label="Keep the path" description="Append the request's path as it came, with /v1 where it has it." {...field("keepPath", "checkbox")} />
      )}
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <Switch label="Active" description="An inactive one takes no traffic." {...field("isActive", "checkbox")} />
        <Switch label="Default" description="Takes requests that name no model, instead of the present default." {...field("isDefault", "checkbox")} />
      </SimpleGrid>
    </>
  );
}

