import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { snippetsFor } from "./snippets";

const baseUrl = "http://127.0.0.1:3000/v1";
const body = {
  model: "m",
  messages: [
    { role: "system", content: "Be short." },
    { role: "user", content: `it's "$HOME" \\ and\nmore – 🙂` },
  ],
  stream: true,
  stream_options: { include_usage: true },
  temperature: 0.3,
  max_completion_tokens: 7,
};
const textOf = (name: string) => snippetsFor({ baseUrl, secret: "sk-x", model: "m", body }).find((it) => it.name === name)?.text ?? "";

it("quotes a call so that a shell takes it as it is", () => {
  const printed = execFileSync("sh", ["-c", textOf("curl").replace(/^curl -N/, "printf '%s\\n'")], { encoding: "utf8" });
  expect(JSON.parse(printed.slice(printed.indexOf("{")))).toEqual(body);
});

it("says the whole call in Python", () => {
  const [, , , ...call] = textOf("Python").split("\n");
  const code = `import json\n${call.slice(0, -3).join("\n").replace("client.chat.completions.create", "dict")}\nprint(json.dumps(answer))`;
  expect(JSON.parse(execFileSync("python3", ["-c", code], { encoding: "utf8" }))).toEqual(body);
});

it("says the whole call in TypeScript", () => {
  const call = /create\((\{[^]*\})\);/.exec(textOf("TypeScript"))?.[1] ?? "";
  expect(JSON.parse(execFileSync("node", ["-p", `JSON.stringify(${call})`], { encoding: "utf8" }))).toEqual(body);
});

it("greets where no call is given", () => {
  expect(snippetsFor({ baseUrl, model: "m" })[1]?.text).toContain('    messages=[{"role": "user", "content": "Hello"}],');
});
