import { Button, Group, SimpleGrid, Stack } from "@mantine/core";
import { IconFilter } from "@tabler/icons-react";
import { useState } from "react";
import { ModelNames } from "../pickers/ModelNames";
import { PickMany } from "../pickers/Picker";
import { projects } from "../pickers/projects";
import { tokensOf } from "../pickers/tokens";
import { upstreams } from "../pickers/upstreams";
import { TagsInput } from "../ui/inputs";
import { type CallFilters, countOf, type FilterName, isStatus } from "./filters";
import { ENDPOINTS, ERRORS } from "./words";

interface Props {
  filters: CallFilters;
  onChange: (name: FilterName, values: string[] | undefined) => void;
  onClear: () => void;
}

const STATUSES = ["2xx", "4xx", "5xx", "400", "401", "403", "404", "429", "499", "500", "502", "503", "504"];
const tokens = tokensOf(undefined);

/** The filters of calls, folded up until somebody needs them. */
export function FilterBar({ filters, onChange, onClear }: Props) {
  const count = countOf(filters);
  const [opened, setOpened] = useState(count > 0);
  const set = (name: FilterName) => (values: string[]) => onChange(name, values.length > 0 ? values : undefined);
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Button size="xs" variant="default" leftSection={<IconFilter size={14} />} aria-expanded={opened} onClick={() => setOpened(!opened)}>
          {count === 0 ? "Filters" : `Filters (${count})`}
        </Button>
        {count > 0 && <Button size="xs" variant="subtle" onClick={onClear}>Clear filters</Button>}
      </Group>
      {opened && (
        <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="sm" role="group" aria-label="Filters">
          <PickMany label="Projects" value={filters.project ?? []} onChange={set("project")} {...projects} />
          <PickMany label="Tokens" value={filters.token ?? []} onChange={set("token")} {...tokens} />
          <ModelNames label="Models" value={filters.model ?? []} onChange={set("model")} />
          <PickMany label="Upstreams" value={filters.upstream ?? []} onChange={set("upstream")} {...upstreams} />
          <Tags label="Endpoints" data={Object.keys(ENDPOINTS)} value={filters.endpoint ?? []} onChange={set("endpoint")} />
          <Tags
            label="Statuses"
            data={STATUSES}
            value={filters.status ?? []}
            // What the gateway would refuse never gets into the address.
            onChange={(values) => set("status")(values.filter(isStatus))}
          />
          <Tags label="Errors" data={Object.keys(ERRORS)} value={filters.error ?? []} onChange={set("error")} />
        </SimpleGrid>
      )}
    </Stack>
  );
}

/** Words of a known kind, and any others that are written. */
function Tags(props: { label: string; data: string[]; value: string[]; onChange: (values: string[]) => void }) {
  return <TagsInput {...props} clearable clearButtonProps={{ "aria-label": `Clear ${props.label}` }} splitChars={[",", " "]} />;
}
