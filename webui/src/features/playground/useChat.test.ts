import { expect, it } from "vitest";
import { Refusal } from "./chat";
import { messagesOf, messagesToCopy } from "./useChat";

it("sends what was answered, and nothing of what failed", () => {
  const turns = [
    { question: "one", answer: { text: "1" }, stopped: false },
    { question: "two", answer: { text: "" }, stopped: false, refusal: new Refusal(429, "{}", undefined) },
    { question: "three", answer: { text: "3 but" }, stopped: true },
  ];
  expect(messagesOf(turns, "four", "Be brief")).toEqual([
    { role: "system", content: "Be brief" },
    { role: "user", content: "one" },
    { role: "assistant", content: "1" },
    { role: "user", content: "three" },
    { role: "assistant", content: "3 but" },
    { role: "user", content: "four" },
  ]);
});

it("copies the whole call: the one that is typed, or else the one that was sent last", () => {
  const turns = [
    { question: "one", answer: { text: "1" }, stopped: false },
    { question: "two", answer: { text: "2" }, stopped: false },
  ];
  const sent = [
    { role: "system", content: "Be brief" },
    { role: "user", content: "one" },
    { role: "assistant", content: "1" },
    { role: "user", content: "two" },
  ];
  expect(messagesToCopy(turns, " ", "Be brief")).toEqual(sent);
  expect(messagesToCopy(turns, "three", "Be brief")).toEqual([...sent, { role: "assistant", content: "2" }, { role: "user", content: "three" }]);
  expect(messagesToCopy([], "", "")).toEqual([{ role: "user", content: "Hello" }]);
});
