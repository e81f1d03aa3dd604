import { Alert, Button, Center, Stack, Text } from "@mantine/core";
import { Component, type ReactNode } from "react";
import { messageOf } from "../shared/api/errors";

/** Says that the application itself can't be shown, such as without a file of it that does not come. */
export class Broken extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <Center mih="100dvh" p="md" component="main">
        <Alert color="red" role="alert" title="The console can't be shown" maw={480}>
          <Stack gap="xs" align="start">
            <Text size="sm">{messageOf(error)}</Text>
            <Button size="compact-sm" variant="default" onClick={() => window.location.reload()}>Try again</Button>
          </Stack>
        </Alert>
      </Center>
    );
  }
}
