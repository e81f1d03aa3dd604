import { useQuery } from "@connectrpc/connect-query";
import { Button, Group, Stack, Text, VisuallyHidden } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { UpstreamService } from "@tollkeeper/client/v1/upstream_service";
import { useState } from "react";
import { formatCount } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { EmptyState, NoMatch } from "../../../shared/ui/EmptyState";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { PageTable } from "../../../shared/ui/PageTable";
import { SearchBox } from "../../../shared/ui/SearchBox";

const SIZE = 20;

interface Props {
  upstream: string;
  search: string | undefined;
  onSearch: (search: string | undefined) => void;
}

/** The models that an upstream lists itself, each of which can become a model of the gateway. Only who wants them has it asked. */
export function ListedModels({ upstream, search = "", onSearch }: Props) {
  const [shown, setShown] = useState(SIZE);
  const [asks, setAsks] = useState(search !== "");
  const { data, error, refetch } = useQuery(
    UpstreamService.method.listUpstreamModels,
    { name: upstream },
    { enabled: asks, retry: false, staleTime: 60_000 },
  );
  if (!asks && !data) return <Group><Button variant="default" onClick={() => setAsks(true)}>Ask for its models</Button></Group>;
  const found = data?.models.filter((it) => it.name.toLowerCase().includes(search.toLowerCase()));
  return (
    <Stack gap="sm">
      {error && <ErrorState title="Its list of models can't be read" remedy="Test the upstream: each step says what to do." error={error} retry={() => void refetch()} />}
      <SearchBox label="Search its models" value={search || undefined} onChange={(it) => { setShown(SIZE); onSearch(it); }} />
      {(!error || data) && (
        <PageTable
          label="Models of the upstream"
          rows={found?.slice(0, shown)}
          rowKey={(it) => it.name}
          columns={[
            { key: "name", title: "Name there", render: (it) => it.name },
            { key: "created", title: "Made", render: (it) => <Time time={it.createdAt} none="not said" /> },
          ]}
          actions={(it) => (
            <Link to="/models" search={{ act: "new", upstream, at: it.name }}>
              {/* The link is the control; this is how it looks. */}
              <Button component="span" size="compact-sm" variant="default">Add as model<VisuallyHidden>{` ${it.name}`}</VisuallyHidden></Button>
            </Link>
          )}
          empty={search ? <NoMatch clear={() => onSearch(undefined)} /> : <EmptyState title="No models">It lists none.</EmptyState>}
        />
      )}
      {found && found.length > shown && (
        <Group justify="space-between">
          <Text size="sm" c="dimmed">{formatCount(found.length)} in all</Text>
          <Button size="xs" variant="default" onClick={() => setShown(shown + 100)}>Show more</Button>
        </Group>
      )}
    </Stack>
  );
}
