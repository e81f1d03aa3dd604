/**
 * Yield the data of each event of a stream (server-sent events, HTML Living Standard 9.2.6).
 *
 * Names of events, ids and comments are left out: OpenAI's streams have data alone.
 */
export async function* eventsOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  let data: string[] = [];
  try {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- each part follows the one before it
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      for (const line of lines)
        if (line === "") {
          if (data.length > 0) yield data.join("\n");
          data = [];
        } else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
