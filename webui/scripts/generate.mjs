// Generates clients/typescript/ from proto/ with what Python's environment for development has: buf and the descriptors.
//   npm run generate              writes the files
//   npm run generate -- --check   fails if the committed files differ
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = new URL("../../", import.meta.url).pathname;
const client = join(root, "clients/typescript");
const scratch = mkdtempSync(join(tmpdir(), "tollkeeper-typescript-"));
const folders = ["tollkeeper", "google"];

function files(folder) {
  return folders.flatMap((it) => readdirSync(join(folder, it), { recursive: true, withFileTypes: true }))
    .filter((it) => it.isFile())
    .map((it) => join(it.parentPath, it.name).slice(folder.length + 1))
    .toSorted();
}

try {
  const image = join(scratch, "image.binpb");
  execFileSync(join(root, ".venv/bin/python"), [join(root, "proto/generate.py"), "--image", image, "--also", "google/rpc/error_details.proto"], { stdio: "inherit" });
  const template = {
    version: "v2",
    inputs: [
      {
        binary_image: image,
        exclude_types: ["buf.validate", "google.api", "tollkeeper.v1.policy", "tollkeeper.v1.MethodPolicy", "tollkeeper.v1.Role"],
        paths: ["tollkeeper", "google/rpc"],
      },
    ],
    plugins: [
      {
        local: [process.execPath, join(root, "webui/node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es")],
        out: join(scratch, "out"),
        opt: ["target=js+dts"],
      },
    ],
  };
  execFileSync(join(root, ".venv/bin/buf"), ["generate", "--template", JSON.stringify(template)], { stdio: "inherit" });
  const made = join(scratch, "out");
  if (process.argv.includes("--check")) {
    const same =
      files(made).join() === files(client).join() &&
      files(made).every((it) => readFileSync(join(made, it)).equals(readFileSync(join(client, it))));
    if (!same) throw new Error("clients/typescript is not what proto/ gives: run make proto");
  } else {
    for (const folder of folders) {
      rmSync(join(client, folder), { recursive: true, force: true });
      cpSync(join(made, folder), join(client, folder), { recursive: true });
    }
  }
} finally {
  rmSync(scratch, { recursive: true });
}
