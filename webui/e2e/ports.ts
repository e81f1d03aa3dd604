import { type AddressInfo, createServer } from "node:net";

/** A port of this machine that is taken until it is given back. */
export interface Taken {
  address: string;
  giveBack: () => Promise<void>;
}

/** Take a port that nobody has. */
export async function takePort(): Promise<Taken> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    giveBack: () => new Promise((done) => server.close(() => done())),
  };
}

/** Return an address that nobody listens at, as HOST:PORT. */
export async function freeAddress(): Promise<string> {
  const { address, giveBack } = await takePort();
  await giveBack();
  return address;
}
