import { Alert, Button, Drawer, Group, List, Stack } from "@mantine/core";
import type { ReactNode } from "react";
import { Conflict } from "../ui/Conflict";
import { ErrorState } from "../ui/ErrorState";
import { intoView } from "../ui/intoView";
import { useDiscard } from "./useDiscard";
import type { Edit } from "./useEdit";

interface Props {
  title: string;
  edit: Edit;
  action: string;
  /** What else can be done with what was typed, such as a test. */
  extra?: ReactNode;
  children: ReactNode;
  onDone: () => void;
  onClose: () => void;
}

// What has the focus, or is scrolled into view, is under neither the head nor the foot of the form.
const HEAD = 76;
const FOOT = 80;

/** A form at the side of the page. What was typed stays until it is stored or given up. */
export function EditDrawer({ title, edit, action, extra, children, onDone, onClose }: Props) {
  const { attach, busy, changed, conflict, failure, isNew, submit } = edit;
  const { close, leave, isAsking, question } = useDiscard(changed.length > 0, onClose);
  const finish = (done: boolean) => {
    if (!done) return;
    leave();
    onDone();
  };
  return (
    <Drawer opened onClose={close} title={title} closeOnEscape={!isAsking} closeOnClickOutside={changed.length === 0} styles={{ content: { scrollPaddingTop: HEAD, scrollPaddingBottom: FOOT } }}>
      <form ref={attach} noValidate onSubmit={(event) => void submit(event).then(finish)}>
        <Stack>
          {conflict && (
            <div ref={intoView}>
              <Conflict differences={conflict.differences} onTake={conflict.take} onOverwrite={() => void conflict.overwrite().then(finish)} />
            </div>
          )}
          {failure && failure.rest.length > 0 && (
            <div ref={intoView}>
              {failure.error === undefined || failure.rest.length > 1 ? (
                <Alert color="red" role="alert" title="Nothing was saved">
                  <List size="sm">{failure.rest.map((it) => <List.Item key={it}>{it}</List.Item>)}</List>
                </Alert>
              ) : (
                <ErrorState title="Nothing was saved" error={failure.error} />
              )}
            </div>
          )}
          {children}
          <Group justify="space-between" pos="sticky" bottom={0} py="sm" bg="var(--mantine-color-body)" style={{ zIndex: 1 }}>
            <Group gap="xs">{extra}</Group>
            <Group gap="xs">
              <Button variant="default" onClick={() => { leave(); onClose(); }}>Cancel</Button>
              <Button type="submit" loading={busy} disabled={!isNew && changed.length === 0}>{action}</Button>
            </Group>
          </Group>
        </Stack>
      </form>
      {question}
    </Drawer>
  );
}
