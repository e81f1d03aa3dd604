// Writes .br and .gz beside each built file that gets smaller by it; the gateway sends them as they are.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const built = new URL(`../${process.env["WEBUI_OUT"] ?? "dist"}/`, import.meta.url).pathname;
for (const name of readdirSync(built, { recursive: true })) {
  const path = join(built, String(name));
  if (!statSync(path).isFile() || !/\.(js|css|svg|json)$/.test(path) || path.includes(`${built}.vite`)) continue;
  const plain = readFileSync(path);
  const codings = {
    br: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } }),
    gz: gzipSync(plain, { level: 9 }),
  };
  for (const [ending, packed] of Object.entries(codings)) if (packed.length < plain.length) writeFileSync(`${path}.${ending}`, packed);
}
