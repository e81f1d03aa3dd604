import { useQuery } from "@connectrpc/connect-query";
import { Badge, Box, Code, Group, Stack, Switch, Text } from "@mantine/core";
import { type Setting, SettingSource, StatusService } from "@tollkeeper/client/v1/status_service";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { NoMatch } from "../../../shared/ui/EmptyState";
import { type Column, PageTable } from "../../../shared/ui/PageTable";
import { SearchBox } from "../../../shared/ui/SearchBox";
import type { Change } from "../../../shared/url/search";
import type { SettingsSearch } from "../search";
import { SOURCES } from "../words";

const written = (value: string) => (value === "" ? <Text span size="sm" c="dimmed">not set</Text> : <Code style={{ overflowWrap: "anywhere" }}>{value}</Code>);

/** A description, with what stands between backticks as code. */
const described = (text: string) => text.split("`").map((part, index) => (index % 2 === 1 ? <Code key={index} fz="inherit">{part}</Code> : part));

const columns: Column<Setting>[] = [
  {
    key: "name",
    title: "Setting",
    render: (it) => (
      <Box maw={380}>
        <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>{it.name}</Text>
        <Text size="xs" c="dimmed" fw={400}>{described(it.description)}</Text>
      </Box>
    ),
  },
  { key: "value", title: "Value", render: (it) => <Group gap={4} component="span">{written(it.value)}{it.isSecret && <Badge variant="default" tt="none">masked</Badge>}</Group> },
  { key: "source", title: "From", render: (it) => (it.source === SettingSource.ENVIRONMENT ? <>environment: <Code style={{ overflowWrap: "anywhere" }}>{it.variable}</Code></> : SOURCES[it.source]) },
  { key: "default", title: "Default", render: (it) => written(it.defaultValue) },
];

interface Props {
  search: SettingsSearch;
  set: (change: Change<SettingsSearch>) => void;
}

/** The settings that the process has had since it started. There are some dozens, so that they are searched here. */
export function SettingsTab({ search: { q, set: onlySet }, set }: Props) {
  const { data, error, refetch } = useQuery(StatusService.method.listSettings, {});
  const wanted = q?.toLowerCase() ?? "";
  const rows = data?.settings.filter(
    (it) =>
      (onlySet === undefined || it.source !== SettingSource.DEFAULT) &&
      [it.name, it.description, it.variable].some((text) => text.toLowerCase().includes(wanted)),
  );
  return (
    <Stack>
      <Text size="sm" c="dimmed">They are set at the start of the process, by the command line, the environment or a settings file, and can&apos;t be changed here.</Text>
      <Group align="end">
        <Box flex="1 1 240px"><SearchBox label="Search name, description, variable" value={q} onChange={(it) => set({ q: it })} /></Box>
        <Switch mb={8} label="Only what is set" checked={onlySet ?? false} onChange={(event) => set({ set: event.currentTarget.checked || undefined })} />
      </Group>
      {error && <ErrorState title="The settings can't be read" error={error} retry={() => void refetch()} />}
      {(!error || rows) && (
        <PageTable label="Settings" rows={rows} columns={columns} rowKey={(it) => it.name} empty={<NoMatch clear={() => set({ q: undefined, set: undefined })} />} />
      )}
    </Stack>
  );
}
