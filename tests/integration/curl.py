"""The command `curl` without its program: the library of curl, from the package PyCURL, and some options."""

import argparse
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pycurl

_SECONDS = 20
_VERSIONS = {pycurl.CURL_HTTP_VERSION_1_1: "1.1", pycurl.CURL_HTTP_VERSION_2_0: "2"}
# Keeps the arguments apart by what none of them can hold.
_SHOW_ARGUMENTS = "curl() { printf '%s\\0' \"$@\"; }\n"


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and the version of HTTP that it was given in."""

    version: str
    status: int
    content_type: str | None
    body: bytes


def pasted(line: str, environment: Mapping[str, str]) -> list[str]:
    """Return the arguments that a shell passes to curl when the line is pasted into it."""
    done = subprocess.run(
        ["sh", "-c", _SHOW_ARGUMENTS + line], env=dict(environment), capture_output=True, check=True
    )
    return os.fsdecode(done.stdout).split("\0")[:-1]


def curl(arguments: Sequence[str]) -> Answered:
    """Return what the command gets with these arguments. Raises `pycurl.error` where it would fail."""
    options = _parser().parse_args(arguments)
    headers: list[str] = options.header
    call, body = pycurl.Curl(), BytesIO()
    try:
        call.setopt(pycurl.URL, options.url)
        call.setopt(pycurl.TIMEOUT, _SECONDS)
        call.setopt(pycurl.NOPROXY, "*")
        call.setopt(pycurl.HTTP_VERSION, options.version or pycurl.CURL_HTTP_VERSION_2TLS)
        call.setopt(pycurl.WRITEDATA, body)
        if options.cacert:
            call.setopt(pycurl.CAINFO, options.cacert)
        if options.json is not None:
            headers = [*headers, "Content-Type: application/json", "Accept: application/json"]
        for data in (options.data, options.data_binary, options.json):
            if data is not None:
                call.setopt(pycurl.POSTFIELDS, _content(data))
        if options.form:
            call.setopt(pycurl.MIMEPOST, _form(call, options.form))
        if options.request:
            call.setopt(pycurl.CUSTOMREQUEST, options.request)
        call.setopt(pycurl.HTTPHEADER, headers)
        call.perform()
        return Answered(
            _VERSIONS[call.getinfo(pycurl.INFO_HTTP_VERSION)],
            call.getinfo(pycurl.RESPONSE_CODE),
            call.getinfo(pycurl.CONTENT_TYPE),
            body.getvalue(),
        )
    finally:
        call.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("curl", allow_abbrev=False, exit_on_error=False)
    parser.add_argument("url")
    parser.add_argument("-X", "--request")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-d", "--data")
    parser.add_argument("--data-binary")
    parser.add_argument("--json")
    parser.add_argument("-F", "--form", action="append", default=[])
    parser.add_argument("--cacert")
    for option, version in (
        ("--http1.1", pycurl.CURL_HTTP_VERSION_1_1),
        ("--http2", pycurl.CURL_HTTP_VERSION_2_0),
        ("--http2-prior-knowledge", pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE),
    ):
        parser.add_argument(option, dest="version", action="store_const", const=version)
    return parser


def _content(data: str) -> bytes:
    return Path(data[1:]).read_bytes() if data.startswith("@") else data.encode()


def _form(call: pycurl.Curl, fields: Sequence[str]) -> pycurl.CurlMime:
    form = pycurl.CurlMime(call)
    for field in fields:
        name, _, value = field.partition("=")
        if value.startswith("@"):
            form.add_file(name, value[1:])
        else:
            form.add_field(name, value)
    return form
