import { Center, Paper, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { SignInForm } from "./SignInForm";

export function SignIn() {
  useDocumentTitle("Sign in · Tollkeeper");
  return (
    <Center mih="100dvh" component="main">
      <Paper withBorder p="xl" w={400} maw="calc(100vw - 32px)">
        <SignInForm><Title order={1} size="h3">Tollkeeper</Title></SignInForm>
      </Paper>
    </Center>
  );
}
