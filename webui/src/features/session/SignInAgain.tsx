import { Button, Modal, Text } from "@mantine/core";
import { session } from "./session";
import { SignInForm } from "./SignInForm";

const ABOVE_ALL = 1_000;

/**
 * The sign-in over a page whose session has ended. The page stays as it is, with what was typed into it, and is covered: what it shows
 * is nothing for who comes by.
 */
export function SignInAgain() {
  return (
    <Modal
      opened
      centered
      onClose={() => {}}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      zIndex={ABOVE_ALL}
      overlayProps={{ color: "var(--mantine-color-body)", backgroundOpacity: 1 }}
      styles={{ content: { border: "1px solid var(--mantine-color-default-border)" } }}
      title="The session has ended"
    >
      <SignInForm other={<Button variant="subtle" onClick={() => void session.end()}>Leave the page</Button>}>
        <Text size="sm">Sign in to go on where you were. What you typed is still there.</Text>
      </SignInForm>
    </Modal>
  );
}
