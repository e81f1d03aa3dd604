import { Drawer } from "@mantine/core";
import { ErrorState } from "../ui/ErrorState";

interface Props {
  title: string;
  error: unknown;
  retry: () => void;
  onClose: () => void;
}

/** Where a form would be of something that can't be read. */
export function NotRead({ title, error, retry, onClose }: Props) {
  return (
    <Drawer opened onClose={onClose} title={title}>
      <ErrorState title="What is to be edited can't be read" error={error} retry={retry} />
    </Drawer>
  );
}
