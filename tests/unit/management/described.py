"""Configurations that these tests apply, written as files are."""

from tollkeeper.configuration import read_document
from tollkeeper.v1 import configuration_service_pb2 as pb

from tests.unit.management.plane import Plane

KEY = "sk-canary-0123456789abcdefghijklmnop"
PROXY = "http://user:canary-password@proxy.example.com:8080"
SECRET = "sk-token-canary-0123456789abcdefgh"
WHOLE = f"""
upstreams:
  - name: openai
    provider: openai
    api_key: {KEY}
    is_default: true
    timeouts: {{connect: 5s, total: 10m}}
    header_operations:
      - {{action: insert, name: x-a, value: "1"}}
      - {{action: remove, name: x-b}}
  - name: own
    provider: generic
    base_url: http://llm.example.com/v1
    auth_scheme: header
    auth_header: x-api-key
    api_key: {KEY}
    proxy_url: {PROXY}
    breaker: {{threshold: 0.4, cooldown: 1m}}
    probe: {{path: /models, interval: 30s}}
groups:
  - name: main
    members: [{{upstream: openai, weight: 3}}, {{upstream: own}}]
    policy:
      strategy: weighted_round_robin
      keep_alive: 90s
      timeouts: {{idle: 30s}}
      retry: {{attempts: 1, initial: 250ms}}
models:
  - name: gpt-4o
    aliases: [gpt-4]
    capabilities: [chat_completions, responses]
    deployments:
      - upstream: openai
      - upstream: own
        upstream_model: llama
        weight: 2
        prices:
          - rates: {{input: 2.50, cached: 0.0028, output: 10}}
            tiers: [{{above: 200000, rates: {{input: 5}}}}]
            services: [{{tier: flex, rates: {{input: 1.25}}}}]
          - start_time: 2027-01-01
            rates: {{input: 2}}
    policy: {{strategy: failover}}
    fallbacks: [small]
    fallback_on: [context_length]
    price: {{prompt: 2500, completion: 10000, cached: 1250}}
    limits:
      - {{measure: tokens_per_minute, amount: 100000, burst: 20000}}
      - {{measure: money, dollars: 25, period: month, zone: Europe/Berlin}}
  - name: small
    group: main
listeners:
  - name: tenant
    address: 127.0.0.1:3001
    default_group: main
    rules:
      - {{path: "/a/:id/*", group: main, strip_prefix: /a}}
      - {{header: x-team, pattern: "[a-z]+", group: main}}
    ip_limit: {{per_second: 5, burst: 10}}
    limits: [{{measure: concurrent_requests, amount: 50}}]
projects:
  - name: Search
    api_key: {KEY}
    tokens:
      - {{name: ci, secret: {SECRET}, max_requests: 5, allowed_models: ["gpt-*"]}}
      - {{name: app, limits: [{{measure: requests_per_minute, amount: 60}}]}}
gateway:
  limits: [{{measure: tokens, amount: 1000000, period: total}}]
"""


def described(text: str) -> pb.Configuration:
    """Return what a file describes."""
    return read_document(text, {})


async def apply(
    plane: Plane, wanted: str | pb.Configuration, *, dry_run: bool = False, prune: bool = False
) -> pb.ApplyConfigurationResponse:
    """Apply a configuration."""
    return await plane.call(request(wanted, dry_run=dry_run, prune=prune), pb.ApplyConfigurationResponse)


def request(
    wanted: str | pb.Configuration, *, dry_run: bool = False, prune: bool = False
) -> pb.ApplyConfigurationRequest:
    """Return the request to apply a configuration."""
    configuration = described(wanted) if isinstance(wanted, str) else wanted
    return pb.ApplyConfigurationRequest(configuration=configuration, dry_run=dry_run, prune=prune)


async def export(plane: Plane) -> pb.Configuration:
    """Return what is configured."""
    answer = await plane.call(pb.ExportConfigurationRequest(), pb.ExportConfigurationResponse)
    return answer.configuration


def told(answer: pb.ApplyConfigurationResponse) -> list[str]:
    """Return what an application changed, a word for each: `+group main`."""
    signs = {
        pb.CHANGE_ACTION_CREATE: "+",
        pb.CHANGE_ACTION_UPDATE: "~",
        pb.CHANGE_ACTION_DELETE: "-",
    }
    return [f"{signs[it.action]}{it.kind} {it.name}" for it in answer.changes]


def kept(answer: pb.ApplyConfigurationResponse) -> list[str]:
    """Return what pruning left in place, and for whom."""
    return [f"{it.kind} {it.name}: {it.used_by}" for it in answer.kept]
