import { expect, it } from "vitest";
import { eventsOf } from "./sse";

async function read(text: string, size: number): Promise<string[]> {
  const bytes = new TextEncoder().encode(text);
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
      controller.close();
    },
  });
  const found: string[] = [];
  for await (const data of eventsOf(stream)) found.push(data);
  return found;
}

const STREAM = ": hello\r\n\r\ndata: {\"a\":\"é\"}\n\nevent: x\ndata:one\ndata: two\r\n\r\ndata: [DONE]\n\ndata: cut";

it.each([1, 2, 3, 7, 1000])("reads events whatever parts they come in: %i bytes", async (size) => {
  expect(await read(STREAM, size)).toEqual(['{"a":"é"}', "one\ntwo", "[DONE]"]);
});
