export interface Snippet {
  name: "curl" | "Python" | "TypeScript" | "environment";
  text: string;
}

/** The body of a chat, as OpenAI's API takes it: `model`, `messages`, and what else is set. */
export type ChatBody = Readonly<Record<string, unknown>>;

interface Call {
  /** The base URL that clients of OpenAI take, with /v1 at its end. */
  baseUrl: string;
  /** The token's secret. Without it the calls take it from OPENAI_API_KEY, as OpenAI's clients do. */
  secret?: string;
  model: string;
  /** The call's own body; a first greeting without one. */
  body?: ChatBody;
}

/** Return a call of the gateway in the ways that people make it. */
export function snippetsFor({ baseUrl, secret, model, body = { model, messages: [{ role: "user", content: "Hello" }] } }: Call): Snippet[] {
  const url = JSON.stringify(baseUrl);
  // Between single quotes a shell takes everything but a single quote as it is.
  const json = JSON.stringify(body).replaceAll("'", String.raw`'\''`);
  const key = (written: string) => (secret === undefined ? "" : `, ${written}${JSON.stringify(secret)}`);
  const streams = body["stream"] === true;
  return [
    {
      name: "curl",
      text: [
        `curl ${streams ? "-N " : ""}${baseUrl}/chat/completions \\`,
        `  -H "Authorization: Bearer ${secret ?? "$OPENAI_API_KEY"}" \\`,
        `  -H "Content-Type: application/json" \\`,
        `  -d '${json}'`,
      ].join("\n"),
    },
    {
      name: "Python",
      text: [
        "from openai import OpenAI",
        "",
        `client = OpenAI(base_url=${url}${key("api_key=")})`,
        "answer = client.chat.completions.create(",
        ...Object.entries(body).map(([name, value]) => `    ${name}=${inPython(value)},`),
        ")",
        ...(streams
          ? [
              "for chunk in answer:",
              "    if chunk.choices:",
              '        print(chunk.choices[0].delta.content or "", end="", flush=True)',
            ]
          : ["print(answer.choices[0].message.content)"]),
      ].join("\n"),
    },
    {
      name: "TypeScript",
      text: [
        'import OpenAI from "openai";',
        "",
        `const client = new OpenAI({ baseURL: ${url}${key("apiKey: ")} });`,
        "const answer = await client.chat.completions.create({",
        ...Object.entries(body).map(([name, value]) => `  ${name}: ${inTypeScript(value)},`),
        "});",
        ...(streams
          ? ['for await (const chunk of answer) process.stdout.write(chunk.choices[0]?.delta.content ?? "");']
          : ["console.log(answer.choices[0]?.message.content);"]),
      ].join("\n"),
    },
    { name: "environment", text: `export OPENAI_BASE_URL=${baseUrl}\nexport OPENAI_API_KEY=${secret ?? "…"}` },
  ];
}

/** Strings and numbers of JSON are those of Python, too. */
function inPython(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inPython).join(", ")}]`;
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object" || value === null) return value === null ? "None" : JSON.stringify(value);
  return `{${Object.entries(value).map(([name, it]) => `${JSON.stringify(name)}: ${inPython(it)}`).join(", ")}}`;
}

function inTypeScript(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inTypeScript).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{ ${Object.entries(value).map(([name, it]) => `${name}: ${inTypeScript(it)}`).join(", ")} }`;
}
