import { Kbd, Modal } from "@mantine/core";
import { Table } from "../shared/ui/Table";

/** The list of keys. */
export function KeysDialog({ keys, opened, onClose }: { keys: readonly (readonly [keys: string, meaning: string])[]; opened: boolean; onClose: () => void }) {
  return (
    <Modal opened={opened} onClose={onClose} title="Keys">
      <Table aria-label="Keys">
        <Table.Tbody>
          {keys.map(([written, meaning]) => (
            <Table.Tr key={written}><Table.Td><Kbd>{written}</Kbd></Table.Td><Table.Td>{meaning}</Table.Td></Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  );
}
