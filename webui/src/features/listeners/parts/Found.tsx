import { useQuery } from "@connectrpc/connect-query";
import { Code, Text } from "@mantine/core";
import type { ExplainRequestResponse } from "@tollkeeper/client/v1/configuration_service";
import { TokenService } from "@tollkeeper/client/v1/token_service";
import { Fold } from "../../../shared/forms/Fold";
import { type Fact, Facts } from "../../../shared/ui/Facts";
import { AnchorLink } from "../../../shared/ui/links";
import { NameLink } from "../../../shared/ui/NameLink";
import { Section } from "../../../shared/ui/Section";
import { Table } from "../../../shared/ui/Table";

/** What was found for the request, and the headers that the upstream would get. */
export function Found({ told }: { told: ExplainRequestResponse }) {
  const asked = useQuery(TokenService.method.getToken, { id: told.tokenId }, { enabled: told.tokenId !== "" });
  const token = asked.data?.token;
  const facts: Fact[] = [
    { name: "Listener", value: told.listener && <NameLink kind="listener" name={told.listener} /> },
    { name: "Rule", value: told.rule && <Code>{told.rule}</Code> },
    { name: "Group", value: told.group && <NameLink kind="group" name={told.group} /> },
    { name: "Model", value: told.model && <NameLink kind="model" name={told.model} /> },
    { name: "Token", value: told.tokenId && <AnchorLink to="/tokens/$id" params={{ id: told.tokenId }}>{token?.name || told.tokenId}</AnchorLink> },
    { name: "Project", value: told.projectId && <AnchorLink to="/projects/$id" params={{ id: told.projectId }}>{token?.projectName || told.projectId}</AnchorLink> },
  ].filter(({ value }) => value !== "");
  if (facts.length === 0) return null;
  return (
    <Section title="Found">
      <Facts facts={facts} />
      {told.headers.length > 0 && (
        <Fold title="Headers to the upstream" hint="secrets, and what header operations write, are masked">
          <Table.Scroll label="Headers to the upstream, table">
            <Table aria-label="Headers to the upstream">
              <Table.Thead><Table.Tr><Table.Th>Name</Table.Th><Table.Th>Value</Table.Th></Table.Tr></Table.Thead>
              <Table.Tbody>
                {told.headers.map(({ name, value }, at) => (
                  <Table.Tr key={at}>
                    <Table.Td><Text span size="sm" ff="monospace">{name}</Text></Table.Td>
                    <Table.Td style={{ overflowWrap: "anywhere" }}><Text span size="sm" ff="monospace">{value}</Text></Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.Scroll>
        </Fold>
      )}
    </Section>
  );
}
