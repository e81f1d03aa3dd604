"""The services of the management plane, in the order in which documents show them."""

from google.protobuf.descriptor import ServiceDescriptor

from tollkeeper.v1 import (
    configuration_service_pb2,
    gateway_service_pb2,
    group_service_pb2,
    limit_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    price_service_pb2,
    project_service_pb2,
    session_service_pb2,
    status_service_pb2,
    token_service_pb2,
    upstream_service_pb2,
    usage_service_pb2,
)

SERVICES: tuple[ServiceDescriptor, ...] = (
    project_service_pb2.DESCRIPTOR.services_by_name["ProjectService"],
    token_service_pb2.DESCRIPTOR.services_by_name["TokenService"],
    upstream_service_pb2.DESCRIPTOR.services_by_name["UpstreamService"],
    group_service_pb2.DESCRIPTOR.services_by_name["GroupService"],
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"],
    listener_service_pb2.DESCRIPTOR.services_by_name["ListenerService"],
    gateway_service_pb2.DESCRIPTOR.services_by_name["GatewayService"],
    limit_service_pb2.DESCRIPTOR.services_by_name["LimitService"],
    usage_service_pb2.DESCRIPTOR.services_by_name["UsageService"],
    price_service_pb2.DESCRIPTOR.services_by_name["PriceService"],
    configuration_service_pb2.DESCRIPTOR.services_by_name["ConfigurationService"],
    status_service_pb2.DESCRIPTOR.services_by_name["StatusService"],
    session_service_pb2.DESCRIPTOR.services_by_name["SessionService"],
)
