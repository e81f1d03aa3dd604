import { useQuery } from "@connectrpc/connect-query";
import { Alert, List, Skeleton, Stack, Text } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { ConfigurationService, EntityKind, type Reference } from "@tollkeeper/client/v1/configuration_service";
import { useCursor } from "../api/useCursor";
import { ErrorState } from "./ErrorState";
import { AnchorLink } from "./links";
import { Pages } from "./PageTable";

interface Props {
  kind: EntityKind;
  /** The name of the entity, or the id of a project or a token. */
  name: string;
}

const SIZE = 20;

const useReferences = ({ kind, name }: Props, pageToken: string) =>
  useQuery(ConfigurationService.method.listReferences, { kind, name, pageSize: SIZE, pageToken }, { placeholderData: keepPreviousData });

/** What refers to a thing, with links to it. */
export function WhereUsed({ kind, name }: Props) {
  const cursor = useCursor(`${kind} ${name}`);
  const { data, error, refetch } = useReferences({ kind, name }, cursor.pageToken);
  return (
    <Stack gap="sm">
      {error && <ErrorState title="What refers to it can't be read" error={error} retry={() => void refetch()} />}
      {!data && !error && <Skeleton h={48} />}
      {data?.references.length === 0 && <Text size="sm" c="dimmed">Nothing refers to it.</Text>}
      {data && data.references.length > 0 && <References references={data.references} />}
      <Pages cursor={cursor} next={data?.nextPageToken} />
    </Stack>
  );
}

/** What prevents that a thing is deleted, if anything does. */
export function PreventsDeletion({ kind, name }: Props) {
  const { data } = useReferences({ kind, name }, "");
  const preventing = data?.references.filter((it) => it.preventsDeletion) ?? [];
  if (preventing.length === 0) return null;
  return (
    <Stack gap="xs" mb="sm">
      <Alert color="orange" title="It is in use, so it can't be deleted">Change or delete these first:</Alert>
      <References references={preventing} />
      {data?.nextPageToken && <Text size="sm">There may be more.</Text>}
    </Stack>
  );
}

function References({ references }: { references: readonly Reference[] }) {
  return (
    <List size="sm" spacing={4} aria-label="References">
      {references.map((it) => (
        <List.Item key={`${it.kind} ${it.id || it.name}`}>
          <RefersLink reference={it} />
        </List.Item>
      ))}
    </List>
  );
}

function RefersLink({ reference: { kind, id, name, how } }: { reference: Reference }) {
  switch (kind) {
    case EntityKind.UPSTREAM:
      return <AnchorLink to="/upstreams/$name" params={{ name }}>{how}</AnchorLink>;
    case EntityKind.GROUP:
      return <AnchorLink to="/groups/$name" params={{ name }}>{how}</AnchorLink>;
    case EntityKind.MODEL:
      return <AnchorLink to="/models/$name" params={{ name }}>{how}</AnchorLink>;
    case EntityKind.LISTENER:
      return <AnchorLink to="/listeners/$name" params={{ name }}>{how}</AnchorLink>;
    case EntityKind.TOKEN:
      return <AnchorLink to="/tokens/$id" params={{ id }}>{how}</AnchorLink>;
    case EntityKind.PROJECT:
      return <AnchorLink to="/projects/$id" params={{ id }}>{how}</AnchorLink>;
    default:
      return <>{how}</>;
  }
}
