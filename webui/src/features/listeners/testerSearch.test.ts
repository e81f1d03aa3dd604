import { expect, test } from "vitest";
import { askOf, headersProblem, isChat, readTester, readTesterSearch, writeTester } from "./testerSearch";

test("the address keeps the request that was written", () => {
  const values = { listener: "tenants", method: "GET", path: "/v1/models", model: "m", token: "tok_01jv0000000000000000000000", headers: "x-a: 1\nx-b: 2", streamed: true, prompt: 4000, output: 500, calls: 20 };
  const search = readTesterSearch({ ...writeTester(values) });
  expect(readTester(search)).toEqual(values);
  expect(askOf(search)).toMatchObject({ promptBytes: 4000, maxOutputTokens: 500, calls: 20 });
  expect(askOf(search).headers).toEqual([{ name: "x-a", value: "1" }, { name: "x-b", value: "2" }]);
});

test("what is usual stays out of the address, but for the path", () => {
  expect(writeTester(readTester({}))).toEqual({ path: "/v1/chat/completions" });
});

test("a secret gets neither into the address nor out of it", () => {
  expect(headersProblem("x-a: 1")).toBeUndefined();
  expect(headersProblem("Authorization: Bearer sk-1")).toContain("choose the token instead");
  expect(headersProblem("no header")).toContain("NAME: VALUE");
  expect(askOf({ header: ["cookie: a"] }).headers).toEqual([]);
});

test("the playground sends chats of tokens alone", () => {
  const chat = { path: "/v1/chat/completions", model: "m", token: "tok_01jv0000000000000000000000" };
  expect(isChat(chat)).toBe(true);
  expect(isChat({ ...chat, listener: "tenants" })).toBe(false);
  expect(isChat({ path: chat.path, model: "m" })).toBe(false);
});
