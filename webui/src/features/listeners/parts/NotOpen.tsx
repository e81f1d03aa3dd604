import { Alert, List, Stack, Text } from "@mantine/core";
import type { ListenerStatus } from "@tollkeeper/client/v1/status_service";

/** Why a port is not open, and what to do. */
export function NotOpen({ status, own }: { status: ListenerStatus; own: boolean }) {
  return (
    <Alert color="red" role="alert" title="Its port is not open">
      <Stack gap="xs">
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>{status.problem}</Text>
        <List size="sm">
          <List.Item>What listens at {status.address} is named by <code>ss -ltnp</code> on the gateway&apos;s machine.</List.Item>
          <List.Item>{own ? "The gateway gets another address by its setting, at its next start." : "Edit gives the listener another address."}</List.Item>
        </List>
        <Text size="sm">The gateway tries again by itself, and opens the port once it is free.</Text>
      </Stack>
    </Alert>
  );
}
