import { expect, it } from "vitest";
import { dataUrlOf, type Port } from "./dataUrl";

const port = (name: string, address: string, more: Partial<Port> = {}): Port => ({ name, address, isOpen: true, tls: false, ...more });
const at = (url: string) => new URL(url);

it("is the port of the data plane where the page speaks to the gateway itself", () => {
  const ports = [port("main", "127.0.0.1:3000"), port("console", "127.0.0.1:8080")];
  expect(dataUrlOf(ports, at("http://127.0.0.1:8080/admin/"))).toBe("http://127.0.0.1:3000");
  expect(dataUrlOf(ports, at("http://localhost:8080/admin/"))).toBe("http://localhost:3000");
});

it("takes the page's host where the port is open to all", () => {
  const ports = [port("main", "0.0.0.0:3000", { tls: true }), port("console", "0.0.0.0:8443", { tls: true })];
  expect(dataUrlOf(ports, at("https://gate.example:8443/admin/"))).toBe("https://gate.example:3000");
});

it("is the page's origin behind a proxy, for the console serves the data plane, too", () => {
  const ports = [port("main", "0.0.0.0:3000"), port("console", "0.0.0.0:8080")];
  expect(dataUrlOf(ports, at("https://gate.example/admin/"))).toBe("https://gate.example");
  expect(dataUrlOf(ports, at("http://127.0.0.1:5173/admin/"))).toBe("http://127.0.0.1:5173");
});

it("is the page's origin where the data plane's host is not the page's", () => {
  const ports = [port("main", "127.0.0.1:3000"), port("console", "0.0.0.0:8080")];
  expect(dataUrlOf(ports, at("http://gate.example:8080/admin/"))).toBe("http://gate.example:8080");
});

it("is a listener's port where that replaces the gateway's own, and the origin where none is open", () => {
  const ports = [port("console", "[::]:8080"), port("grpc", "[::]:50051"), port("main", "[::]:3000", { isOpen: false })];
  expect(dataUrlOf(ports, at("http://gate.example:8080/admin/"))).toBe("http://gate.example:8080");
  expect(dataUrlOf([...ports, port("apps", "[::]:4000")], at("http://gate.example:8080/admin/"))).toBe("http://gate.example:4000");
});
