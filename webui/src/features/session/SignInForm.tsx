import { Alert, Button, Group, PasswordInput, Stack, Text } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { session } from "./session";

interface Props {
  /** What stands above the field. */
  children: ReactNode;
  /** What else can be done. */
  other?: ReactNode;
}

/** The field for the management token. What is typed is kept nowhere else. */
export function SignInForm({ children, other }: Props) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  async function submit() {
    setBusy(true);
    setProblem(undefined);
    try {
      await session.begin(token.trim());
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  }
  return (
    <form onSubmit={(event) => { event.preventDefault(); void submit(); }}>
      <Stack>
        {children}
        {problem && <Alert color="red" role="alert">{problem}</Alert>}
        <PasswordInput
          label="Management token"
          value={token}
          onChange={(event) => setToken(event.currentTarget.value)}
          autoComplete="current-password"
          autoFocus
          data-autofocus
          error={problem !== undefined}
        />
        <Text size="sm" c="dimmed">
          It is the setting TOLLKEEPER_MANAGEMENT_TOKEN. A gateway that made its own says it when it starts.
        </Text>
        <Group grow={other === undefined} justify="space-between">
          {other}
          <Button type="submit" loading={busy} disabled={token.trim() === ""}>Sign in</Button>
        </Group>
      </Stack>
    </form>
  );
}
