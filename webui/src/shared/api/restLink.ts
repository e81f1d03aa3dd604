import { create, type DescMessage, type JsonValue, type MessageInitShape, toJson } from "@bufbuild/protobuf";

/** Return the address at which REST answers a request, with the fields of `init` as its query. */
export function restLink<Desc extends DescMessage>(path: string, schema: Desc, init: MessageInitShape<Desc>, more: Record<string, string> = {}): string {
  const query = new URLSearchParams();
  const fields = toJson(schema, create(schema, init), { useProtoFieldName: true });
  for (const [name, value] of Object.entries(fields as Record<string, JsonValue>))
    for (const each of Array.isArray(value) ? value : [value]) query.append(name, String(each));
  for (const [name, value] of Object.entries(more)) query.append(name, value);
  return `${path}?${query.toString()}`;
}
