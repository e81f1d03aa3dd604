"""Which rule counts: held to a slow reference matcher that knows nothing of how rules are compiled."""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.snapshot.rules import RuleError, compile_rules

REGEXES = ["[0-9]+", "[a-z]{1,3}", "a|ab", ".+", "b*", "(?i)AB", "[^1]", "[0-9]{2}|v[0-9]", r"\{?1\}?"]


# The reference: every rule is tried with Python's re, and the order is spelled out.


def _reference(rules: list[Rule], path: str, headers: Mapping[bytes, bytes]) -> Rule | None:
    suits = [
        (_order(rule), number)
        for number, rule in enumerate(rules)
        if _path_suits(rule, path) and _header_suits(rule, headers)
    ]
    return rules[min(suits)[1]] if suits else None


def _pieces(pattern: str) -> list[str]:
    return re.findall(r"/([^/]+)", pattern)


def _path_suits(rule: Rule, path: str) -> bool:
    if not rule.path:
        return True
    read = re.sub("/+", "/", unquote_to_bytes(path).decode("utf-8", "replace"))
    wanted = ""
    pieces = _pieces(rule.path)
    for number, piece in enumerate(pieces):
        if piece == "*" and number == len(pieces) - 1:
            wanted += "/.*"
        elif piece == "*" or piece[0] in ":{":
            wanted += "/[^/]+"
        else:
            wanted += "/" + re.escape(unquote_to_bytes(piece).decode())
    if re.fullmatch(wanted + ("" if pieces[-1:] == ["*"] else "/?"), read, re.DOTALL) is None:
        return False
    segments = read.split("/")[1:]
    return all(
        re.fullmatch(piece[1:-1].partition(":")[2], segment, re.DOTALL)
        for piece, segment in zip(pieces, segments, strict=False)
        if piece.startswith("{")
    )


def _header_suits(rule: Rule, headers: Mapping[bytes, bytes]) -> bool:
    if not rule.header:
        return True
    value = headers.get(rule.header.lower().encode())
    if value is None:
        return False
    if rule.pattern:
        return re.fullmatch(rule.pattern, value.decode(), re.DOTALL) is not None
    return not rule.value or value == rule.value.encode()


def _order(rule: Rule) -> tuple[object, ...]:
    pieces = _pieces(rule.path)
    constrained = [piece for piece in pieces if piece.startswith("{")]
    named = [piece for piece in pieces if piece.startswith(":")]
    static = [piece for piece in pieces if piece != "*" and piece not in constrained + named]
    return (
        rule.path == "",
        len(static) < len(pieces),
        -len(static),
        -len(constrained),
        -len(named),
        -len(pieces),
        -len("".join(static)),
        rule.header == "",
    )


SEGMENT = st.sampled_from(["a", "b", "ab", "v1", "1", "12", "A", "{1}"])


@st.composite
def _patterns(draw: st.DrawFn) -> str:
    pieces: list[str] = []
    for number in range(draw(st.integers(0, 4))):
        match draw(st.sampled_from("ssspc*")):
            case "s":
                pieces.append(draw(SEGMENT.filter(lambda text: "{" not in text)))
            case "p":
                pieces.append(f":p{number}")
            case "c":
                pieces.append(f"{{p{number}:{draw(st.sampled_from(REGEXES))}}}")
            case _:
                pieces.append("*")
    return "/" + "/".join(pieces) + draw(st.sampled_from(["", "", "/"]) if pieces else st.just(""))


@st.composite
def _rules(draw: st.DrawFn) -> list[Rule]:
    rules: list[Rule] = []
    for number in range(draw(st.integers(0, 12))):
        header = draw(st.sampled_from(["", "", "X-A", "x-b"]))
        path = draw(_patterns()) if not header else draw(st.just("") | _patterns())
        kind = draw(st.sampled_from("npv")) if header else "n"
        rules.append(
            Rule(
                group=f"g{number}",
                path=path,
                header=header,
                value=draw(SEGMENT) if kind == "v" else "",
                pattern=draw(st.sampled_from(REGEXES)) if kind == "p" else "",
            )
        )
    return rules


@st.composite
def _paths(draw: st.DrawFn) -> str:
    segments = draw(st.lists(SEGMENT, max_size=5))
    path = "".join(
        draw(st.sampled_from(["/", "/", "/", "//", "%2F", "/%2f"]) if at else st.sampled_from(["/", "//"]))
        + draw(st.sampled_from([segment, segment, f"%{ord(segment[0]):02X}{segment[1:]}"]))
        for at, segment in enumerate(segments)
    )
    return path + draw(st.sampled_from(["", "/", "//"])) or "/"


HEADERS = st.dictionaries(st.sampled_from([b"x-a", b"x-b", b"x-c"]), SEGMENT.map(str.encode))


@given(_rules(), _paths(), HEADERS)
@example([Rule(group="g", path="/a/*", header="x-a"), Rule(group="h", path="/:p0/b")], "/a/b", {b"x-b": b"1"})
def test_the_rule_that_counts_is_the_reference_s(
    rules: list[Rule], path: str, headers: dict[bytes, bytes]
) -> None:
    assert compile_rules(rules).find(path, headers) == _reference(rules, path, headers)


def _found(path: str, *patterns: str, headers: dict[bytes, bytes] | None = None) -> str | None:
    rules = compile_rules([Rule(group="g", path=pattern) for pattern in patterns])
    rule = rules.find(path, headers or {})
    return rule.path if rule else None


@pytest.mark.parametrize(
    ("pattern", "suits", "others"),
    [
        ("/api/users/admin", ["/api/users/admin", "/api/users/admin/"], ["/api/users", "/api/users/Admin"]),
        (
            "/api/users/:id",
            ["/api/users/123", "/api/users/abc"],
            ["/api/users", "/api/users/", "/api/users/1/2"],
        ),
        ("/api/items/{id:[0-9]+}", ["/api/items/42"], ["/api/items/abc", "/api/items/42a", "/api/items/"]),
        (
            "/api/products/{code:[A-Z][A-Z][A-Z][0-9][0-9][0-9]}",
            ["/api/products/ABC123"],
            ["/api/products/ABC1234", "/api/products/abc123"],
        ),
        ("/p/{code:[A-Z]{3}[0-9]{3}}", ["/p/ABC123"], ["/p/AB123"]),
        ("/api/*/docs", ["/api/v1/docs", "/api/v2/docs"], ["/api/docs", "/api/v1/v2/docs"]),
        ("/files/*", ["/files/", "/files/a", "/files/a/b", "/files//a"], ["/files", "/filesystem", "/"]),
        ("/files/*/", ["/files/", "/files/a/b"], ["/files"]),
        (
            "/api/:version/users/{id:[0-9]+}/profile",
            ["/api/v2/users/42/profile"],
            ["/api/v2/users/me/profile", "/api/users/42/profile"],
        ),
        ("/*", ["/", "/a", "/a/b/c"], []),
        ("/", ["/", "//"], ["/a"]),
        ("/v1beta/models/gemini:generate", ["/v1beta/models/gemini:generate"], ["/v1beta/models/gemini"]),
        ("/a/{x:a|bc}", ["/a/a", "/a/bc"], ["/a/ac", "/a/abc", "/a/b"]),
        (r"/a/{x:[{]\}}", ["/a/{}", "/a/%7B%7d"], ["/a/{"]),
        (r"/a/{x:[]{]+}", ["/a/]{"], ["/a/}"]),
    ],
)
def test_what_patterns_match(pattern: str, suits: list[str], others: list[str]) -> None:
    assert [path for path in suits if _found(path, pattern) is None] == []
    assert [path for path in others if _found(path, pattern) is not None] == []


@pytest.mark.parametrize(
    ("path", "patterns"),
    [
        # each list is in its order of priority
        (
            "/a/b/c",
            ["/a/b/c", "/a/b/:x", "/a/b/*", "/a/{x:b}/{y:c}", "/a/{x:b}/:y", "/a/:x/:y", "/a/*", "/*"],
        ),
        ("/a/b", ["/a/{x:.}", "/a/:x", "/a/*", "/:x/:y", "/:x/*", "/*"]),
        ("/a/b/", ["/a/b", "/a/b/*", "/a/:x"]),
        ("/api/users", ["/:x/users", "/api/:x"]),
        ("/a/b", ["/a/:first", "/a/:other"]),
    ],
)
def test_the_more_specific_pattern_counts(path: str, patterns: list[str]) -> None:
    for at, first in enumerate(patterns):
        rest = patterns[at:]
        assert _found(path, *rest) == first
        if first not in {"/a/:first", "/a/:other"}:
            assert _found(path, *reversed(rest)) == first


@pytest.mark.parametrize(
    "path",
    [
        "/v1/ch%61t",
        "/v1//chat",
        "//v1/chat",
        "/v1%2fchat",
        "/%76%31/%63%68%61%74",
        "/v1/chat/",
        "/v1/chat%2F",
    ],
)
def test_no_spelling_gets_round_a_rule(path: str) -> None:
    assert _found(path, "/v1/chat", "/*") == "/v1/chat"


@pytest.mark.parametrize("path", ["/V1/chat", "/v1/%2563hat"])
def test_case_matters_and_decoding_is_done_once(path: str) -> None:
    assert _found(path, "/v1/chat") is None


@pytest.mark.parametrize("path", ["/x/%0A", "/x/a%0Ab", "/x/%FF", "/x/%00", "/x/%C3%A9"])
def test_odd_bytes_do_not_get_round_a_constraint(path: str) -> None:
    assert _found(path, "/x/{all:.+}", "/x/*") == "/x/{all:.+}"


def test_patterns_are_read_as_paths_are() -> None:
    assert _found("/caf%C3%A9/a%20b", "/café/a b") == "/café/a b"
    assert _found("/caf%c3%a9/a b", "/caf%C3%A9/a%20b") == "/caf%C3%A9/a%20b"


def test_headers_tell_rules_apart_and_those_that_fail_let_the_next_one_count() -> None:
    rules = compile_rules(
        [
            Rule(group="any", path="/v1/*"),
            Rule(group="exact", path="/v1/chat", header="X-Tenant", value="a"),
            Rule(group="regex", path="/v1/chat", header="x-tenant", pattern="b[0-9]|c"),
            Rule(group="there", path="/v1/chat", header="X-TENANT"),
            Rule(group="plain", path="/v1/chat"),
            Rule(group="elsewhere", header="x-tenant", value="a"),
        ]
    )

    def group(path: str, *value: bytes) -> str | None:
        rule = rules.find(path, {b"x-tenant": value[0]} if value else {})
        return rule.group if rule else None

    assert group("/v1/chat", b"a") == "exact"
    assert group("/v1/chat", b"b1") == group("/v1/chat", b"c") == "regex"
    assert group("/v1/chat", b"ab1") == group("/v1/chat", b"b1c") == group("/v1/chat", b"\xff") == "there"
    assert group("/v1/chat") == "plain"
    assert group("/v1/x", b"a") == "any"
    assert group("/v2/x", b"a") == "elsewhere"
    assert group("/v2/x", b"b") is None


def test_rules_of_one_path_and_one_header_count_in_their_order() -> None:
    rules = [
        Rule(group="a", path="/x", header="h", pattern="1.*"),
        Rule(group="b", path="/x", header="h", value="11"),
        Rule(group="c", path="/x", header="h", pattern=".*1"),
    ]
    for ordered in (rules, rules[::-1], [rules[1], rules[0], rules[2]]):
        found = compile_rules(ordered).find("/x", {b"h": b"11"})
        assert found == ordered[0]


def test_ten_thousand_rules_of_one_shape_are_told_apart() -> None:
    count = 10_000
    constrained = [Rule(group=f"g{n}", path=f"/t/{{id:t{n}-[0-9]+}}/x") for n in range(count)]
    tenants = [Rule(group=f"h{n}", header="x-tenant", value=f"t{n}") for n in range(count)]
    rules = compile_rules([*constrained, *tenants])

    for n in (0, 1, 4999, 9999):
        assert rules.find(f"/t/t{n}-7/x", {}) == constrained[n]
        assert rules.find("/other", {b"x-tenant": b"t%d" % n}) == tenants[n]
    assert rules.find("/t/t10000-7/x", {}) is None


def test_no_rules_find_nothing() -> None:
    assert compile_rules([]).find("/v1/chat/completions", {b"a": b"b"}) is None


def test_the_same_rules_are_the_same() -> None:
    rules = [Rule(group="a", path="/{x:.}"), Rule(group="b", path="/b")]
    assert compile_rules(rules) == compile_rules(list(rules))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("v1/chat", "slash"),
        ("*", "slash"),
        ("/a//b", "empty segment"),
        ("//", "empty segment"),
        ("/a/:", "no name"),
        ("/a/{:x}", "no name"),
        ("/a/:a.b", "letters"),
        ("/a/{a b:x}", "letters"),
        ("/:a/:a", "two parameters are called a"),
        ("/:a/{a:x}", "two parameters are called a"),
        ("/a/**", "whole segment"),
        ("/a/b*", "whole segment"),
        ("/a/*.json", "whole segment"),
        ("/a/x{a:b}", "within a segment"),
        ("/a/{a:b}x", "whole segment"),
        ("/a/{a:b}{c:d}", "whole segment"),
        ("/a/{a:b", "not balanced"),
        ("/a/{a:[0-9]{3}", "not balanced"),
        ("/a/a:b}", "braces"),
        ("/a/{a:b}}", "whole segment"),
        ("/a/{a:b/c}", "a slash between them"),
        ("/a/{a}", "no regular expression"),
        ("/a/{a:}", "no regular expression"),
        ("/a/{a:(}", "RE2.*missing"),
        ("/a/{a:(?=x)y}", "RE2"),
        ("/a/{a:(x)\\1}", "RE2"),
        ("/a/{a:((x{1000}){1000}){1000}}", "RE2"),
        ("/a/{a:(\\pL{100}){10}}", "RE2.*too large"),
        ("/a/../b", "dot segments"),
        ("/a/%2e%2E/b", "dot segments"),
        ("/./b", "dot segments"),
        ("/a\r\nb", "control"),
        ("/a%0db", "control"),
        ("/{a:\n}", "control"),
        ("/a?b=c", "query"),
        ("/a#b", "query"),
        ("/a\\b", "backslash"),
        ("/a%2Fb", "encoded slash"),
        ("/a" * 65, "at most 64 are allowed"),
    ],
)
def test_a_path_that_can_not_be_used_is_told(path: str, why: str) -> None:
    with pytest.raises(RuleError, match=why) as caught:
        compile_rules([Rule(group="g", path="/ok"), Rule(group="g", path=path)])
    assert (caught.value.index, caught.value.field) == (1, "path")
    assert str(caught.value).startswith("rules[1].path: ")


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (Rule(group="g"), "path"),
        (Rule(group="g", header="a b"), "header"),
        (Rule(group="g", header="a\r\n"), "header"),
        (Rule(group="g", path="/a", value="x"), "header"),
        (Rule(group="g", path="/a", pattern="x"), "header"),
        (Rule(group="g", header="a", value="x\r\ny"), "value"),
        (Rule(group="g", header="a", value="x", pattern="y"), "pattern"),
        (Rule(group="g", header="a", pattern="("), "pattern"),
        (Rule(group="g", header="a", pattern="a\nb"), "pattern"),
        (Rule(group="g", path="/a", strip_prefix="a"), "strip_prefix"),
        (Rule(group="g", path="/a", strip_prefix="/:a"), "strip_prefix"),
        (Rule(group="g", path="/a", strip_prefix="/a\r\n"), "strip_prefix"),
        (Rule(group="g", path="/a", strip_prefix="/.."), "strip_prefix"),
    ],
)
def test_a_rule_that_can_not_be_used_is_told(rule: Rule, field: str) -> None:
    with pytest.raises(RuleError) as caught:
        compile_rules([rule])
    assert (caught.value.index, caught.value.field) == (0, field)


def test_regular_expressions_are_bounded_in_all() -> None:
    rules = [Rule(group="g", path=f"/{{a:{n}[a-z]{{1000}}[0-9]{{999}}}}") for n in range(1000)]
    with pytest.raises(RuleError, match="too large"):
        compile_rules(rules)


@given(st.text(alphabet="/:{}[]()*+?.\\|^$a0,-%2eE\n", max_size=40))
def test_whatever_is_configured_is_taken_or_refused(text: str) -> None:
    try:
        rules = compile_rules([Rule(group="g", path=text, header="h", pattern=text)])
    except RuleError:
        return
    rules.find("/a/0", {b"h": b"a"})
