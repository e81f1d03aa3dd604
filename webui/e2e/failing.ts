import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A provider that fails until it is healed. */
export interface Failing {
  baseUrl: string;
  heal: () => void;
  close: () => Promise<void>;
}

const ANSWER = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "any",
  choices: [{ index: 0, message: { role: "assistant", content: "Healed" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
};

/** Start a provider that answers 500 to everything until it is healed. */
export async function startFailing(): Promise<Failing> {
  let isHealed = false;
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(isHealed ? 200 : 500, { "content-type": "application/json" });
    response.end(JSON.stringify(isHealed ? ANSWER : { error: { message: "made to fail", type: "server_error" } }));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    heal: () => {
      isHealed = true;
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
