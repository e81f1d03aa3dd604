"""Generates the Python stubs of `proto/` into `clients/python/`.

    python proto/generate.py             writes the stubs, and the descriptions for /openapi.json
    python proto/generate.py --check     fails if the committed files differ
    python proto/generate.py --image F   writes a descriptor image with source information to F, for buf
                                         (--proto DIR: of another tree; --also FILE: with an installed one)

The imports of `proto/` come from installed packages, because buf itself can only fetch them from its
registry. The stubs of `buf.validate` are generated too, because protovalidate ships its descriptor only in
a form that protoc's Python code does not import.
"""

import argparse
import filecmp
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import google.api
import grpc_tools
from google.protobuf import descriptor_pb2
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).resolve().parent.parent
STUBS = ROOT / "clients" / "python"
DESCRIPTIONS = ROOT / "server" / "tollkeeper_server" / "doors" / "rest" / "descriptions.json"
VALIDATE = "buf/validate/validate.proto"
PLUGINS = Path(sys.executable).parent


def write_validate_descriptors(target: Path) -> None:
    """Write a FileDescriptorSet of protovalidate's rules and their imports."""
    described = descriptor_pb2.FileDescriptorSet()
    for name in ("descriptor", "duration", "field_mask", "timestamp"):
        module = __import__(f"google.protobuf.{name}_pb2", fromlist=["DESCRIPTOR"])
        module.DESCRIPTOR.CopyToProto(described.file.add())
    described.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    target.write_bytes(described.SerializeToString())


def protoc(tree: Path, scratch: Path, sources: list[str], *outputs: str) -> None:
    """Run protoc on `sources`, paths relative to `tree`, with the imports from installed packages."""
    descriptors = scratch / "validate.binpb"
    write_validate_descriptors(descriptors)
    wellknown = Path(grpc_tools.__file__).parent / "_proto"
    googleapis = Path(next(iter(google.api.__path__))).parent.parent
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--descriptor_set_in={descriptors}",
            *(f"-I{path}" for path in (tree, wellknown, googleapis)),
            *(f"--plugin={plugin}" for plugin in sorted(PLUGINS.glob("protoc-gen-mypy*"))),
            *outputs,
            *sources,
        ],
        check=True,
    )


def own_sources(tree: Path) -> list[str]:
    """Return the paths of the .proto files in `tree`, relative to it."""
    return [str(path.relative_to(tree)) for path in sorted(tree.rglob("*.proto"))]


def write_stubs(target: Path, scratch: Path) -> None:
    """Write messages, their types, and the typed gRPC stubs below `target`."""
    tree = ROOT / "proto"
    messages = (f"--python_out={target}", f"--mypy_out=quiet:{target}")
    protoc(tree, scratch, [VALIDATE], *messages)
    protoc(
        tree,
        scratch,
        own_sources(tree),
        *messages,
        f"--grpc_python_out={target}",
        f"--mypy_grpc_out=quiet:{target}",
    )


def write_image(tree: Path, target: Path, scratch: Path, *also: str) -> None:
    """Write the descriptors of `tree` and `also` with imports and source information, for buf."""
    protoc(
        tree,
        scratch,
        [*own_sources(tree), *also],
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={target}",
    )


def write_descriptions(target: Path, scratch: Path) -> None:
    """Write the comments of the .proto files by full name, because the stubs leave comments out."""
    image = scratch / "image.binpb"
    write_image(ROOT / "proto", image, scratch)
    described = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())
    own = set(own_sources(ROOT / "proto"))
    comments = dict(comment for file in described.file if file.name in own for comment in comments_of(file))
    target.write_text(json.dumps(comments, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def comments_of(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Yield the full name and the comment of each definition in a file."""
    for location in file.source_code_info.location:
        text = " ".join(location.leading_comments.split())
        if not text:
            continue
        # A location's path alternates field numbers and indexes from the file down (descriptor.proto).
        names, found = [file.package], file
        if len(location.path) % 2 == 0:
            for number, index in zip(location.path[::2], location.path[1::2], strict=True):
                found = getattr(found, found.DESCRIPTOR.fields_by_number[number].name)[index]
                names.append(found.name)
            yield ".".join(names), text


def differences(fresh: Path, committed: Path) -> list[str]:
    """Return the paths of stubs that are missing, superfluous or different from the generated ones."""
    generated = {path.relative_to(fresh) for path in fresh.rglob("*_pb2*") if path.is_file()}
    present = {
        path.relative_to(committed)
        for folder in ("tollkeeper/v1", "buf")
        for path in (committed / folder).rglob("*_pb2*")
        if path.suffix in {".py", ".pyi"}
    }
    return sorted(
        str(path)
        for path in generated | present
        if path not in generated
        or path not in present
        or not filecmp.cmp(fresh / path, committed / path, shallow=False)
    )


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Generate the Python stubs of proto/.")
    parser.add_argument("--check", action="store_true", help="fail if the committed stubs differ")
    parser.add_argument("--image", type=Path, help="write a descriptor image instead")
    parser.add_argument("--proto", type=Path, default=ROOT / "proto", help="the tree of --image")
    parser.add_argument("--also", nargs="*", default=[], help="installed .proto files that --image takes in")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if arguments.image:
            write_image(arguments.proto.resolve(), arguments.image, scratch, *arguments.also)
            return 0
        if not arguments.check:
            write_stubs(STUBS, scratch)
            write_descriptions(DESCRIPTIONS, scratch)
            return 0
        fresh = scratch / "stubs"
        fresh.mkdir()
        write_stubs(fresh, scratch)
        stale = [f"{STUBS.relative_to(ROOT)}/{path}" for path in differences(fresh, STUBS)]
        descriptions = scratch / DESCRIPTIONS.name
        write_descriptions(descriptions, scratch)
        if not DESCRIPTIONS.exists() or not filecmp.cmp(descriptions, DESCRIPTIONS, shallow=False):
            stale.append(str(DESCRIPTIONS.relative_to(ROOT)))
    for path in stale:
        print(f"out of step with proto/: {path}; run `make proto`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
