"""Every method that the protos define is guarded, answered and validated."""

import pytest
from google.protobuf.descriptor import MethodDescriptor
from protovalidate import Validator
from tollkeeper.services import SERVICES
from tollkeeper.v1 import options_pb2
from tollkeeper_server.management.chain.registry import handlers_of, methods, new_request, policy_of

METHODS = list(methods())
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)


def test_all_services_are_there() -> None:
    assert [service.name for service in SERVICES] == [
        "ProjectService",
        "TokenService",
        "UpstreamService",
        "GroupService",
        "ModelService",
        "ListenerService",
        "GatewayService",
        "LimitService",
        "UsageService",
        "PriceService",
        "ConfigurationService",
        "StatusService",
        "SessionService",
    ]


@each_method
def test_a_method_says_who_may_call_it(method: MethodDescriptor) -> None:
    assert policy_of(method).role != options_pb2.ROLE_UNSPECIFIED


@each_method
def test_the_rules_of_a_request_compile(method: MethodDescriptor) -> None:
    Validator().collect_violations(new_request(method))


def test_a_service_that_lacks_a_method_does_not_start() -> None:
    with pytest.raises(AttributeError, match="create_project"):
        handlers_of(SERVICES[0], object())
