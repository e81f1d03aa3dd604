import { expect, it } from "vitest";
import { bodyOf, grown } from "./chat";

it("leaves out what is not set", () => {
  expect(bodyOf({ model: "m", messages: [{ role: "user", content: "hi" }] })).toEqual({
    model: "m",
    messages: [{ role: "user", content: "hi" }],
    stream: true,
    stream_options: { include_usage: true },
  });
});

it("grows an answer by its chunks, and keeps the time of the first token", () => {
  const chunks = [
    { model: "m-1", choices: [{ delta: { content: "" } }] },
    { choices: [{ delta: { content: "Hel" } }] },
    { choices: [{ delta: { content: "lo" }, finish_reason: "stop" }] },
    { choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } },
  ];
  const answer = chunks.reduce((old, chunk, index) => grown(old, chunk, index * 10), { text: "" });
  expect(answer).toEqual({ text: "Hello", model: "m-1", finish: "stop", firstTokenMs: 10, usage: { prompt: 3, completion: 2 } });
});
