import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A provider that streams one word after the other, until its caller leaves or `end` is called. */
export interface Streaming {
  baseUrl: string;
  /** Ends the stream as a provider does. */
  end: () => void;
  /** Is fulfilled when a caller has left before the end. */
  left: Promise<void>;
  close: () => Promise<void>;
}

const PAUSE_MS = 50;

const chunk = (delta: object, finish: string | null) =>
  `data: ${JSON.stringify({
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1,
    model: "words",
    choices: [{ index: 0, delta, finish_reason: finish }],
  })}\n\n`;

/** Start one on a free port. */
export async function startStreaming(): Promise<Streaming> {
  const running = new Set<ServerResponse>();
  let noteLeft = () => {};
  const left = new Promise<void>((done) => {
    noteLeft = done;
  });
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "text/event-stream" });
    running.add(response);
    let number = 0;
    const timer = setInterval(() => response.write(chunk({ content: `word${number++} ` }, null)), PAUSE_MS);
    response.on("close", () => {
      clearInterval(timer);
      if (running.delete(response)) noteLeft();
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    end: () => {
      for (const response of running) {
        running.delete(response);
        response.end(`${chunk({}, "stop")}data: [DONE]\n\n`);
      }
    },
    left,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
