import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { messageOf, remedyOf, requestId } from "../api/errors";
import { CopyText } from "./CopyText";

interface Props {
  /** What could not be done, such as "The tokens can't be read". */
  title: string;
  error: unknown;
  retry?: (() => void) | undefined;
  /** What can be done, if it is other than the kind of the error says. */
  remedy?: string;
}

/** An error: what failed, why, what to do, and the id that finds it in the log. */
export function ErrorState({ title, error, retry, remedy = remedyOf(error) }: Props) {
  const id = requestId(error);
  return (
    <Alert color="red" role="alert" title={title} icon={<IconAlertTriangle size={18} />}>
      <Stack gap="xs" align="start">
        <Text size="sm">{messageOf(error)}</Text>
        {remedy && <Text size="sm">{remedy}</Text>}
        <Group gap="xs">
          {retry && <Button size="compact-sm" variant="default" onClick={retry}>Try again</Button>}
          {id && <CopyText value={id} label="Copy the request id" />}
        </Group>
      </Stack>
    </Alert>
  );
}
