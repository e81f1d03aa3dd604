import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import type { Project } from "@tollkeeper/client/v1/project_service";
import { type Token, TokenState } from "@tollkeeper/client/v1/token_service";
import { formatCount } from "../../../shared/format/numbers";
import { formatAgo, formatTime } from "../../../shared/format/times";
import { useZone } from "../../../shared/url/zone";
import { ButtonLink } from "../../../shared/ui/links";

interface Props {
  token: Token;
  project: Project | undefined;
  onEdit: () => void;
  onActivate: () => void;
}

/** Why requests with a token are refused, or soon will be, and what to do about it. */
export function Why({ token, project, onEdit, onActivate }: Props) {
  const zone = useZone();
  const at = (time: Token["expiresAt"]) => (time ? `${formatTime(time, zone)} (${formatAgo(timestampDate(time))})` : "");
  return (
    <>
      {project?.isActive === false && (
        <Alert color="yellow" title="Its project is inactive">
          <Stack gap="xs" align="start">
            <Text size="sm">Requests with any token of {project.name} are refused with project_inactive. Activate the project to let them pass.</Text>
            <ButtonLink size="xs" variant="default" to="/projects/$id" params={{ id: project.id }}>To the project</ButtonLink>
          </Stack>
        </Alert>
      )}
      {token.state === TokenState.REVOKED && (
        <Alert color="gray" title="This token is revoked">
          <Stack gap="xs" align="start">
            <Text size="sm">
              It was revoked or deactivated on {at(token.deactivatedAt)}. Requests with it are refused. Activate it if it was a mistake; if the
              secret may have leaked, rotate it first.
            </Text>
            <Button size="xs" variant="default" onClick={onActivate}>Activate</Button>
          </Stack>
        </Alert>
      )}
      {token.state === TokenState.EXPIRED && (
        <Alert color="red" title="This token has expired">
          <Stack gap="xs" align="start">
            <Text size="sm">It expired on {at(token.expiresAt)}. Requests with it are refused. A later time lets them pass again, with the same secret.</Text>
            <Button size="xs" variant="default" onClick={onEdit}>Set another expiry</Button>
          </Stack>
        </Alert>
      )}
      {token.state === TokenState.EXHAUSTED && (
        <Alert color="red" title="This token is exhausted">
          <Stack gap="xs" align="start">
            <Text size="sm">
              It has admitted {formatCount(token.requestCount)} requests of {formatCount(token.maxRequests)}. Further ones are refused. A higher
              limit lets them pass again; the count stays.
            </Text>
            <Button size="xs" variant="default" onClick={onEdit}>Raise the limit</Button>
          </Stack>
        </Alert>
      )}
      {token.state === TokenState.EXPIRING && (
        <Alert color="yellow" title="This token expires soon">
          <Group gap="xs" justify="space-between">
            <Text size="sm">It expires on {at(token.expiresAt)}. Requests with it are refused from then on.</Text>
            <Button size="xs" variant="default" onClick={onEdit}>Set another expiry</Button>
          </Group>
        </Alert>
      )}
    </>
  );
}
