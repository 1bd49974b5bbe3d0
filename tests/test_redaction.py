from __future__ import annotations

import copy
import ipaddress
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import phospho
import phospho.testing
from phospho import Redaction, client
from phospho.errors import ConfigurationError
from phospho.redaction.masks import OWN_MASK
from phospho.redaction.rules import RULES
from tests.conftest import ClientFactory
from tests.hostile import make_cycle, make_depth
from tests.loopback import Loopback
from tests.processes import run_script

CARD = "4111 1111 1111 1111"
OWN_ID = "session_0193b3c4d5e67000800000a1b2c3d4e5"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nq83v==\n-----END RSA PRIVATE KEY-----"


def redact(record: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return Redaction(**settings).phospho_before_send({"project_id": "proj", **record})


def text_of(text: str, **settings: Any) -> str:
    masked = redact({"input": text}, **settings)["input"]
    assert isinstance(masked, str)
    return masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Mail ada@example.com.", "Mail [EMAIL_ADDRESS]."),
        ("<o'brien+news@mail.example.co.uk>", "<[EMAIL_ADDRESS]>"),
        ("jörg@müller.de, ada@xn--mller-kva.xn--p1ai", "[EMAIL_ADDRESS], [EMAIL_ADDRESS]"),
        ("我的邮箱是ada@example.com谢谢", "我的邮箱是[EMAIL_ADDRESS]谢谢"),
        ("/?email=ada%40example.com&b=1", "/?email=[EMAIL_ADDRESS]&b=1"),
        (f"Card 1: {CARD}.", "Card 1: [CREDIT_CARD]."),
        (f"{CARD} 12/25, {CARD} 123", "[CREDIT_CARD] 12/25, [CREDIT_CARD] 123"),
        ("4111.1111.1111.1111.", "[CREDIT_CARD]."),
        ("no 12 5555-5555-5555-4444", "no 12 [CREDIT_CARD]"),
        ("378282246310005;6011111111111117", "[CREDIT_CARD];[CREDIT_CARD]"),
        ("卡号4111111111111111是", "卡号[CREDIT_CARD]是"),
        ("4222222222222 and 6212345678901232", "[CREDIT_CARD] and [CREDIT_CARD]"),
        ("DE89 3704 0044 0532 0130 00 is mine", "[IBAN_CODE] is mine"),
        ("gb29nwbk60161331926819", "[IBAN_CODE]"),
        ("MT84MALT011000012345MTLCAST001S.", "[IBAN_CODE]."),
        ("192.168.1.10:80, 10.0.0.0/8", "[IP_ADDRESS]:80, [IP_ADDRESS]/8"),
        ("addr:2001:db8::8a2e:370:7334", "addr:[IP_ADDRESS]"),
        ("fe80:: and 2001:db8::1: down", "[IP_ADDRESS] and [IP_ADDRESS]: down"),
        ("::ffff:10.1.2.3", "::ffff:[IP_ADDRESS]"),
        ("+1 (415) 555-0123", "[PHONE_NUMBER]"),
        ("+49 (0)30 123456 or 0049 30 123456", "[PHONE_NUMBER] or [PHONE_NUMBER]"),
        ("+33612345678, +33.612345678", "[PHONE_NUMBER], [PHONE_NUMBER]"),
        ("1-800-555-0199 or (415) 555-0123", "[PHONE_NUMBER] or [PHONE_NUMBER]"),
        ("415.555.0123 or 415 555 0123", "[PHONE_NUMBER] or [PHONE_NUMBER]"),
        ("06 12 34 56 78 ou 06.12.34.56.78", "[PHONE_NUMBER] ou [PHONE_NUMBER]"),
        ("020 7946 0958 12 days", "[PHONE_NUMBER] 12 days"),
        ("0171/1234567 (030) 1234567", "[PHONE_NUMBER] [PHONE_NUMBER]"),
        ("(11) 91234-5678; 07700900123", "[PHONE_NUMBER]; [PHONE_NUMBER]"),
        ("my phone number is 612 345 678", "my phone number is [PHONE_NUMBER]"),
        ("sk-proj-abc123DEF456ghi789jkl", "[SECRET]"),
        ("sk-ant-" + "api03-" + "aB3" * 12, "[SECRET]"),
        ("ghp_" + "a1" * 18 + " github_pat_" + "a1" * 20, "[SECRET] [SECRET]"),
        ("AKIAIOSFODNN7EXAMPLE AIza" + "x1" * 17 + "x", "[SECRET] [SECRET]"),
        ("xoxb-123456789012-abcdef sk_live_" + "a1" * 12, "[SECRET] [SECRET]"),
        ("ph_" + "aB3-" * 10 + "xyz", "[SECRET]"),
        (f"token {JWT}!", "token [SECRET]!"),
        (f"{PEM} after", "[SECRET] after"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEpAIB", "[SECRET]"),
        ("Authorization: Bearer abc123def456", "Authorization: Bearer [SECRET]"),
        ("curl -H 'X: Basic dXNlcjpwYXNzd29yZA=='", "curl -H 'X: Basic [SECRET]'"),
        ("password=hunter2, next", "password=[SECRET], next"),
        ("OPENAI_API_KEY=abc12345 DB_PASS=x", "OPENAI_API_KEY=[SECRET] DB_PASS=[SECRET]"),
        ("/?password=a,b&next=1", "/?password=[SECRET]&next=1"),
        ('say "password": "correct horse", x', 'say "password": "[SECRET]", x'),
        (r'pwd="a\"b c" \"Passwort\": \"x1\"', r'pwd="[SECRET]" \"Passwort\": \"[SECRET]\"'),
        ("mysql://root:p@ss@host/db", "mysql://root:[SECRET]@host/db"),
        ("{'api_key': 'abc12345'}", "{'api_key': '[SECRET]'}"),
        ("API key: abc12345def", "API key: [SECRET]"),
        ("CC4111111111111111 card4111111111111111exp", "CC[CREDIT_CARD] card[CREDIT_CARD]exp"),
        ("IBANDE89370400440532013000", "IBAN[IBAN_CODE]"),
        ("DE89.3704.0044.0532.0130.00", "[IBAN_CODE]"),
        ("DE 89 3704  0044  0532  0130  00", "[IBAN_CODE]"),
        ("00 44 20 7946 0958; +1\t415 555 0123", "[PHONE_NUMBER]; [PHONE_NUMBER]"),
        ("Ph: 9876543210, Mob: 98765 43210", "Ph: [PHONE_NUMBER], Mob: [PHONE_NUMBER]"),
        ("415-555-0123x12, +14155550123 ext. 5", "[PHONE_NUMBER], [PHONE_NUMBER]"),
        ("+4915112345678 or (+1) 415 555 0123", "[PHONE_NUMBER] or [PHONE_NUMBER]"),
        ("https://u:p/w@host/x", "https://u:[SECRET]@host/x"),
        ("GOCSPX-" + "aB3" * 9, "[SECRET]"),
        ("https://hooks.slack.com/services/T0/B0/" + "aB3" * 8, "https://[SECRET]"),
        ("sk-abcdefghijklmnopqrstuv", "[SECRET]"),
        ('secret_key="abc def 1234 5678"', 'secret_key="[SECRET]"'),
        ("token=abcd api_key=settings.api_key", "token=[SECRET] api_key=settings.api_key"),
        ("postgres://app:s3cret@db.example.com/x", "postgres://app:[SECRET]@db.example.com/x"),
    ],
)  # fmt: skip
def test_what_should_not_leave_is_masked(text: str, masked: str) -> None:
    assert text_of(text) == masked
    assert text_of(f"See: {text}") == f"See: {masked}"
    assert text_of(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-24 03:21:08, 01.02.2023 12:30, 12/31/2024 10:00-11:00",
        "2023-11-24T03:21:08.123456+01:00 and 2023-11-24 03:21:08 +1000",
        "10.12.2023 - 11.12.2023, 01-02-2023, 20231124032108",
        "$1,299.00, 1 299,00 EUR, 1.299,00, 100 000 000, +1200000 users",
        "order 112-3456789-1234567, #0123456789, order number 0612345678",
        "invoice no. 415-555-0123",
        "v1.2.3, 10.15.7, 2.0.0-rc1, v1.2.3.4, 1.2.3.4.5, 999.1.1.1",
        "1700000000, 1700000000000, 1700000000123456789",
        "550e8400-e29b-41d4-a716-446655440000",
        "12345678-1234-4123-8123-123456789012",
        "task_0193b3c4d5e67000800000a1b2c3d4e5",
        "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "48.8566, 2.3522, +48.856614, -122.419416",
        "0.4111111111111111 3.141592653589793",
        "12:30:45, 10:20:30:40, 00:1B:44:11:3A:B7, a[1::2], std::chrono, dead::add, ::",
        "ISBN 978-0-306-40615-7, SSN 123-45-6789, ZIP 94105-1234",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15, temp 20-25, 200-300 4000",
        "4111 1111 1111 1112, 1234567890123456",
        "DE88 3704 0044 0532 0130 00, IT12 AB34 12345",
        "@user says a@b, foo@localhost, 5@2",
        "token: a unit of text; secret: the sauce; max_tokens=4096; monkey: 12345678",
        "I forgot the password. Password reset, please!",
        "basic understanding of responsibilities; bearer of bad news",
        "the secret: patience; API key: required; the access token: expires; Token: 4096",
        "pass: 3 of 4; auth: failed; cookies: we use them; Authorization: ask the people here",
        "12345678-1234-4123-8123-123456789012, 41111111-1111-1111-8111-111111111111",
        "Chrome/120.0.0.0, x[100::200], https://host:8080/a@b",
        "order 4111111111111111, invoice no. 4111111111111111, tracking: 4111111111111111",
        "sk-learn-is-a-package-2",
        "200 300 4000 500 600 7000\n12 15 415 555 0123 19 20\n01 02 03 04 05 06 07",
        "is 26 days of rain at 20 places; deadbeef4111111111111111",
        "task-management-and-planning, sk-learn, risk-averse-investors-2024",
        "[EMAIL_ADDRESS] [EMAIL_ADDRESS 3f9a1c0b7d24] password=[SECRET]",
    ],
)
def test_what_only_looks_alike_is_left(text: str) -> None:
    assert text_of(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (rf"hello\n{CARD}\nsk-proj-abc123def456ghi789jkl", r"hello\n[CREDIT_CARD]\n[SECRET]"),
        (r"x\nDE89370400440532013000\t192.168.1.10\r", r"x\n[IBAN_CODE]\t[IP_ADDRESS]\r"),
        (r"x\b415-555-0123\f+14155550123\n", r"x\b[PHONE_NUMBER]\f[PHONE_NUMBER]\n"),
        (r"x\\nAKIAIOSFODNN7EXAMPLE\\u000aada@a.com", r"x\\n[SECRET]\\u000a[EMAIL_ADDRESS]"),
        (r"4111\u00a01111\u00a01111\xa01111", "[CREDIT_CARD]"),
        (r"ada\u0040example.com", "[EMAIL_ADDRESS]"),
        (r"{'text': 'password: hunter2\nbye'}", r"{'text': 'password: [SECRET]\nbye'}"),
        (r"C:\new\table\users", r"C:\new\table\users"),
    ],
)
def test_an_escape_is_read_as_what_it_stands_for(text: str, masked: str) -> None:
    assert text_of(text) == masked
    assert text_of(masked) == masked


def wide(text: str) -> str:
    """Return a text as it is typed in Japan."""
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


def in_digits(text: str, zero: int) -> str:
    """Return a text with the digits of another script."""
    return "".join(chr(zero + int(char)) if char.isdigit() else char for char in text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (wide(CARD), "[CREDIT_CARD]"),
        (
            f"{in_digits(CARD, 0x660)}, +{in_digits('14155550123', 0x966)}",
            "[CREDIT_CARD], [PHONE_NUMBER]",
        ),
        (in_digits("415-555-0123", 0x1D7CE), "[PHONE_NUMBER]"),
        (wide("415\u2011555\u20110123"), "[PHONE_NUMBER]"),
        (wide("ada@example.com"), "[EMAIL_ADDRESS]"),
        (f"{wide('password:')}hunter2", f"{wide('password:')}[SECRET]"),
        (
            "41\u200b11\u200b11\xad1111111111, a\u2060da@example.com",
            "[CREDIT_CARD], [EMAIL_ADDRESS]",
        ),
        ("sk-proj-abc\xad123def456\ufeffghi789jkl!", "[SECRET]!"),
        ("4111111111111111¹ ②415-555-0123", "[CREDIT_CARD]¹ ②[PHONE_NUMBER]"),
    ],
)
def test_digits_and_letters_may_be_written_otherwise(text: str, masked: str) -> None:
    assert text_of(text) == masked
    assert text_of(masked) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password := hunter2", "password := [SECRET]"),
        ("password = = hunter2", "password = = [SECRET]"),
        ("password == 'hunter2'", "password == '[SECRET]'"),
        ("password: str = 'x'", "password: str = '[SECRET]'"),
        ("password: str | None = 'x y'", "password: str | None = '[SECRET]'"),
        ("password=p\"ss'word99 next", "password=[SECRET] next"),
        ("password=abc<def99 next", "password=[SECRET] next"),
        (r"password=abc\def99 next", "password=[SECRET] next"),
        ("password: 'it's hunter2' next", "password: '[SECRET]' next"),
        ('password: "hunter2 two', 'password: "[SECRET]'),
        ("password: 'it's hunter2", "password: '[SECRET]"),
        (f'x "secret": "{"ab " * 40}", "user": "ada"', 'x "secret": "[SECRET]", "user": "ada"'),
        (f'secret: "1a{"b " * 40}", "ada"', 'secret: "[SECRET]", "ada"'),
        (f'secret: "{"a " * 40}1b2", "ada"', f'secret: "{"a " * 40}1b2", "ada"'),
        ("--secret patience", "--secret [SECRET]"),
        ('password="""hunter2 two"""', 'password="""[SECRET]"""'),
        (r'{\"password\": \"hunter2 two\"} x', r'{\"password\": \"[SECRET]\"} x'),
        (r'{\\\"pwd\\\": \\\"a\\\\\\\"b c\\\"}', r'{\\\"pwd\\\": \\\"[SECRET]\\\"}'),
        ('x "password" : ["hunter2"], "y"', 'x "password" : [SECRET], "y"'),
        ('x "password": {"a": "b c"}', 'x "password": [SECRET]'),
        ("password=[AB]hunter2", "password=[SECRET]"),
        ("password: [REDACTED] hunter2", "password: [SECRET]"),
        ("password=[SECRET]hunter2", "password=[SECRET]"),
        ("password=[SECRET].hunter2", "password=[SECRET]"),
        ("password: [SECRET] is what it was", "password: [SECRET] is what it was"),
        ("password=SecretStr('a b') x", "password=SecretStr('[SECRET]') x"),
        ("pw = b'a b', db_pw -> c", "pw = b'[SECRET]', db_pw -> [SECRET]"),
        ("password=*x[SECRET]*, [SECRET] = y", "password=*[SECRET]*, [SECRET] = y"),
        ("password:\nhunter2\nnext", "password:\n[SECRET]\nnext"),
        ("Forgot your password:\nAsk your admin", "Forgot your password:\nAsk your admin"),
        ("--password hunter2 --token=abcd1234", "--password [SECRET] --token=[SECRET]"),
        ("<password>hunter2 two</password>", "<password>[SECRET]</password>"),
        ("config['db']['password'] = 'hunter2'", "config['db']['password'] = '[SECRET]'"),
        ("password=*****", "password=[SECRET]"),
        ("password: **hunter2**, next", "password: **[SECRET]**, next"),
        ("**Password:** hunter2", "**Password:** [SECRET]"),
        ("password=[hunter2]", "password=[SECRET]"),
        ("password: null, passwd=None", "password: null, passwd=None"),
        ("password=os.environ['PASSWORD']", "password=os.environ['PASSWORD']"),
    ],
)  # fmt: skip
def test_a_value_is_masked_whole_however_it_is_assigned(text: str, masked: str) -> None:
    once = redact({"input": text})
    assert once["input"] == masked
    count = masked.count("[SECRET]") - text.count("[SECRET] ")
    assert once.get("metadata", {"redacted": {"SECRET": 0}})["redacted"]["SECRET"] == count
    again = redact(once)
    assert again == once


@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "Token", "ApiKey", "Key", "OAuth", "Bot",
                                    "SSWS", "Api-Key", "DeepL-Auth-Key"])  # fmt: skip
def test_the_scheme_of_a_header_may_be_told_but_not_what_follows(scheme: str) -> None:
    text = f"Authorization: {scheme} abcdef1234567890\nnext"
    assert text_of(text) == f"Authorization: {scheme} [SECRET]\nnext"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Secretly abcdef", "Authorization: [SECRET]"),
        ('Authorization: Digest username="ada", response="6629"', "Authorization: Digest [SECRET]"),
        (
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/2024, Signature=fe5f\nHost: x",
            "Authorization: AWS4-HMAC-SHA256 [SECRET]\nHost: x",
        ),
        ("-H 'Authorization: Key abc' http://x", "-H 'Authorization: Key [SECRET]' http://x"),
        (
            r'-H "Authorization: Digest a=\"b\", c=\"d\"" http://x',
            r'-H "Authorization: Digest [SECRET]" http://x',
        ),
        (r"GET /\nAuthorization: X a b=c\nHost: x", r"GET /\nAuthorization: [SECRET]\nHost: x"),
        ("Cookie: session=abc; theme=dark\nHost: x", "Cookie: [SECRET]\nHost: x"),
        ("Set-Cookie: id=abc; Path=/", "Set-Cookie: [SECRET]"),
        ("Bearer: abc123def456", "Bearer: [SECRET]"),
    ],
)  # fmt: skip
def test_a_header_is_masked_to_its_end(text: str, masked: str) -> None:
    assert text_of(text) == masked
    assert text_of(masked) == masked


SECRET_NAMES = [
    "GITHUB_TOKEN", "db_pass", "MYSQL_PWD", "user_pwd", "AccountKey", "PRIVATE-TOKEN",
    "X-Vault-Token", "X-Amz-Security-Token", "pass", "passwords", "auth", "password_confirmation",
    "passwordConfirm", "password1", "refresh_token", "apikey", "AWS_SECRET_ACCESS_KEY",
    "clientSecret", "x-api-key", "secret", "api_key", "credentials", "cookie",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_secret_name_counts_in_a_dict_in_json_in_pairs_and_in_text(name: str) -> None:
    assert redact({"raw_input": {name: "hunter"}})["raw_input"] == {name: "[SECRET]"}
    assert redact({"raw_input": [[name, "hunter"]]})["raw_input"] == [[name, "[SECRET]"]]
    assert text_of(f'["{name}", "k7f8a9b0c1d2e3f4"]') == f'["{name}","[SECRET]"]'
    assert text_of(f"run {name}=hunter next") == f"run {name}=[SECRET] next"
    assert text_of(f"{name}: hunter2") == f"{name}: [SECRET]"
    assert text_of(f"x {{'{name}': 'hunter two'}}") == f"x {{'{name}': '[SECRET]'}}"
    pair = {"Name": name, "Value": "hunter"}
    assert redact({"raw_input": pair})["raw_input"] == {"Name": name, "Value": "[SECRET]"}


@pytest.mark.parametrize(
    "name",
    ["eos_token", "nextPageToken", "max_token", "monkey", "compass", "sort_key", "secretary",
     "password_reset_at", "auth_type"],
)  # fmt: skip
def test_a_name_that_only_sounds_alike_is_no_secret(name: str) -> None:
    assert redact({"raw_input": {name: "value9876"}})["raw_input"] == {name: "value9876"}
    assert text_of(f"{name}=value9876") == f"{name}=value9876"


def test_a_list_of_names_is_no_pair() -> None:
    fields = {"required": ["password", "email"], "order": ["token", "name", "age"]}
    assert redact({"raw_input": fields})["raw_input"] == fields


def test_a_telephone_number_may_be_told_by_its_key() -> None:
    arguments = '{"phone": "4155550123", "mobile": "98765 43210", "id": "4155550123"}'
    assert text_of(arguments) == (
        '{"phone": "[PHONE_NUMBER]", "mobile": "[PHONE_NUMBER]", "id": "4155550123"}'
    )
    metadata = {
        "phone": "4155550123",
        "homePhone": 4155550123,
        "phone_numbers": ["4155550123", {"number": "4155550123", "id": 4155550123}],
        "fields": [{"name": "mobile", "value": "4155550123 (home)"}, ["tel", "4155550123"]],
        "phone_number_id": "4155550123",
        "phone_seen": True,
        "mobile": {"os": "2023-11-24", "visits": 1234567},
    }
    assert redact({"raw_input": metadata})["raw_input"] == {
        "phone": "[PHONE_NUMBER]",
        "homePhone": "[PHONE_NUMBER]",
        "phone_numbers": ["[PHONE_NUMBER]", {"number": "[PHONE_NUMBER]", "id": 4155550123}],
        "fields": [
            {"name": "mobile", "value": "[PHONE_NUMBER] (home)"},
            ["tel", "[PHONE_NUMBER]"],
        ],
        "phone_number_id": "4155550123",
        "phone_seen": True,
        "mobile": {"os": "2023-11-24", "visits": 1234567},
    }
    assert redact({"raw_input": metadata}, kinds=["SECRET"])["raw_input"] == metadata


@pytest.mark.parametrize(
    "gap",
    ["  ", " - ", "\t", "\n", "_", "/", "\xa0", "\u2007", "\u3000", "—", " — ", "\u2212", "&nbsp;",
     "&#160;", "%20", "+", ".", r"\n", "\u200b"],
)  # fmt: skip
def test_a_card_is_found_whatever_stands_between_its_groups(gap: str) -> None:
    for card in (CARD, "3782 822463 10005", "5555 5555 5555 4444"):
        assert text_of(f"no 12: {card.replace(' ', gap)}.") == "no 12: [CREDIT_CARD]."


def test_all_of_a_private_key_is_masked_whatever_stands_in_it() -> None:
    begin, end = "-----BEGIN PGP PRIVATE KEY BLOCK-----", "-----END PGP PRIVATE KEY BLOCK-----"
    assert text_of(f"{begin}\nVersion: <x> {{'é'}}\n\n-- =q\n{end} after") == "[SECRET] after"
    assert text_of(f"{begin}\nab=\n{{x}} {begin}?{end}.") == "[SECRET]{x} [SECRET]."


def test_all_of_a_record_is_masked_and_counted_and_nothing_else_changes() -> None:
    record = {
        "client_created_at_ms": 4111111111111,
        "project_id": "proj",
        "input": "I am ada@example.com",
        "raw_input": {"messages": [{"role": "user", "content": "I am ada@example.com"}]},
        "output": None,
        "system_prompt": "Call +33 6 12 34 56 78",
        "tool_calls": [{"name": "pay", "arguments": '{"card": 4111111111111111, "n": 1.5}'}],
        "error": {"type": "E", "message": f"bad card {CARD}"},
        "status": "error",
        "flag": None,
        "metadata": {
            "deep": [{"ada@example.com": 1, "bob@example.com": 2}],
            "card": 4111111111111111,
            "exact": 4111111111111111.0,
            "headers": {"Authorization": "x", "Cookie": ["a", {"b": 7}], "Accept": "all"},
            "password": 1234,
            "has_password": True,
            "latency_ms": 12.5,
        },
        "app_keyword": "10.1.2.3",
        "api_key": "whatever",
    }
    untouched = copy.deepcopy(record)
    assert Redaction().phospho_before_send(record) == {
        **record,
        "input": "I am [EMAIL_ADDRESS]",
        "raw_input": {"messages": [{"role": "user", "content": "I am [EMAIL_ADDRESS]"}]},
        "system_prompt": "Call [PHONE_NUMBER]",
        "tool_calls": [{"name": "pay", "arguments": '{"card": "[CREDIT_CARD]", "n": 1.5}'}],
        "error": {"type": "E", "message": "bad card [CREDIT_CARD]"},
        "metadata": {
            "deep": [{"[EMAIL_ADDRESS]": 1, "[EMAIL_ADDRESS] (2)": 2}],
            "card": "[CREDIT_CARD]",
            "exact": "[CREDIT_CARD]",
            "headers": {
                "Authorization": "[SECRET]",
                "Cookie": ["[SECRET]", {"b": "[SECRET]"}],
                "Accept": "all",
            },
            "password": "[SECRET]",
            "has_password": True,
            "latency_ms": 12.5,
            "redacted": {
                "CREDIT_CARD": 4,
                "EMAIL_ADDRESS": 4,
                "IP_ADDRESS": 1,
                "PHONE_NUMBER": 1,
                "SECRET": 5,
            },
        },
        "app_keyword": "[IP_ADDRESS]",
        "api_key": "[SECRET]",
    }
    assert record == untouched


def test_nothing_masked_nothing_counted() -> None:
    record = {"project_id": "proj", "input": "Hello", "metadata": {"a": 1}}
    assert redact(record) == record


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        (None, {"redacted": {"EMAIL_ADDRESS": 1}}),
        ("words", {"metadata": "words", "redacted": {"EMAIL_ADDRESS": 1}}),
        ({"redacted": {"SECRET": 2}}, {"redacted": {"EMAIL_ADDRESS": 1, "SECRET": 2}}),
        ({"redacted": "yes"}, {"redacted": "yes", "phospho_redacted": {"EMAIL_ADDRESS": 1}}),
        (
            {"redacted": {"BOB@EXAMPLE.COM": 2}},
            {"redacted": {"[EMAIL_ADDRESS]": 2}, "phospho_redacted": {"EMAIL_ADDRESS": 2}},
        ),
        (
            {"redacted": "yes", "password": "hunter2"},
            {
                "redacted": "yes",
                "password": "[SECRET]",
                "phospho_redacted": {"EMAIL_ADDRESS": 1, "SECRET": 1},
            },
        ),
    ],
)
def test_the_counts_find_a_place(metadata: Any, told: dict[str, Any]) -> None:
    once = redact({"input": "ada@example.com", "metadata": metadata})
    assert once["metadata"] == told
    assert redact(once) == once


def test_a_header_may_be_a_pair_of_name_and_value() -> None:
    headers = [{"name": "X-Api-Key", "value": "abc"}, {"key": "Accept", "value": "all"}]
    masked = [{"name": "X-Api-Key", "value": "[SECRET]"}, {"key": "Accept", "value": "all"}]
    assert redact({"headers": headers})["headers"] == masked


def test_a_time_is_kept_only_if_it_is_one() -> None:
    times = {"client_created_at_ms": 4111111111111, "created_at": "ada@example.com"}
    assert redact(times)["created_at"] == "[EMAIL_ADDRESS]"
    assert redact(times)["client_created_at_ms"] == 4111111111111


def test_log_probabilities_are_no_secrets() -> None:
    logprobs = {"content": [{"token": "Hello", "logprob": -0.1}]}
    assert redact({"raw_output": logprobs})["raw_output"] == logprobs
    assert text_of(f"It was {logprobs}") == f"It was {logprobs}"
    assert text_of("x {'token': 'abc'}") == "x {'token': '[SECRET]'}"
    mixed = redact({"raw_output": {"token": "Hello", "logprob": -0.1, "password": "hunter2"}})
    assert mixed["raw_output"] == {"token": "Hello", "logprob": -0.1, "password": "[SECRET]"}


def test_each_kind_has_a_mask_that_is_known_as_ours() -> None:
    assert all(re.fullmatch(OWN_MASK, f"[{kind}]") for kind in RULES)
    assert re.fullmatch(OWN_MASK, "[PERSON]") is None


class Subclass(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise AssertionError("no code of it is run")


def test_ids_become_pseudonyms_that_tell_users_apart() -> None:
    def user(user_id: str, project_id: str = "proj", **settings: Any) -> str:
        sent = redact({"user_id": user_id, "project_id": project_id}, **settings)
        return str(sent["user_id"])

    ada = user("crm:ada@example.com")
    assert ada == user("crm:ada@example.com")
    assert ada.startswith("crm:[EMAIL_ADDRESS ")
    assert len({ada, user("crm:bob@example.com")}) == 2
    others = {user("crm:ada@example.com", "other"), user("crm:ada@example.com", key="k")}
    assert len({ada, *others}) == 3
    assert user("crm:ada@example.com", key="k") == user("crm:ada@example.com", "other", key=b"k")
    assert user(ada) == ada
    assert user(Subclass("crm:ada@example.com")) == ada
    assert user("whatsapp:+14155550123").startswith("whatsapp:[PHONE_NUMBER ")
    assert redact({"version_id": "1.2.3.4"})["version_id"] == "1.2.3.4"


@pytest.mark.parametrize(
    "unchanged",
    ["1700000000000", "4155550123", "415-555-0123", "0612345678", "ada", OWN_ID],
)
def test_ids_that_are_numbers_are_left_alone(unchanged: str) -> None:
    ids = dict.fromkeys(("session_id", "task_id", "user_id", "version_id"), unchanged)
    assert redact(ids) == {"project_id": "proj", **ids}


@pytest.mark.parametrize(
    ("arguments", "masked"),
    [
        ('{"card":4111111111111111,"é":1}', '{"card":"[CREDIT_CARD]","é":1}'),
        (
            '{"e": "a\\u0040example.com", "password": ""}',
            '{"e": "[EMAIL_ADDRESS]", "password": ""}',
        ),
        ('[{"x": "{\\"pwd\\": \\"a\\"}"}]', '[{"x": "{\\"pwd\\": \\"[SECRET]\\"}"}]'),
        ('{"n": 1.10, "b":2}', '{"n": 1.10, "b":2}'),
    ],
)
def test_json_in_a_text_stays_json(arguments: str, masked: str) -> None:
    assert text_of(arguments) == masked


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "ada@example.com", "a": "b"}',
        '{"a": "ada@example.com", "b": NaN}',
        '{"a": "ada@example.com", "b": 1e999}',
        '{"a": "ada@example.com"',
        "[" * 5000 + '"ada@example.com"' + "]" * 5000,
    ],
    ids=["namesakes", "nan", "infinite", "cut", "deep"],
)
def test_json_that_cannot_be_written_again_is_masked_as_text(text: str) -> None:
    assert text_of(text) == text.replace("ada@example.com", "[EMAIL_ADDRESS]")


def test_only_the_kinds_asked_for_are_masked() -> None:
    text = f"ada@example.com {CARD} password=hunter2"
    masked = redact(
        {"input": text, "password": "hunter2", "card": 4111111111111111, "user_id": CARD},
        kinds=["EMAIL_ADDRESS"],
    )
    assert masked == {
        "project_id": "proj",
        "input": f"[EMAIL_ADDRESS] {CARD} password=hunter2",
        "password": "hunter2",
        "card": 4111111111111111,
        "user_id": CARD,
        "metadata": {"redacted": {"EMAIL_ADDRESS": 1}},
    }


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"kinds": ["EMAIL"]}, "does not know EMAIL. Choose from: CREDIT_CARD, EMAIL_ADDRESS"),
        ({"kinds": "SECRET"}, r"is a list of names, as \['SECRET'\]"),
        ({"kinds": []}, "masks nothing"),
        ({"key": ""}, "is empty"),
        ({"analyzer": "spacy"}, "Give 'presidio'"),
        ({"analyzer": object()}, "not object"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        Redaction(**settings)


def test_what_other_plugins_add_is_masked_too() -> None:
    class Enriching:
        @phospho.hookimpl
        def phospho_before_send(self, interaction: dict[str, Any]) -> dict[str, Any]:
            added = {"who": ("ada@example.com",), 4111111111111111: {b"ada@example.com"}}
            return {**interaction, "added": added}

    for plugins in ([Enriching(), Redaction()], [Redaction(), Enriching()]):
        sdk = phospho.testing.CaptureClient(plugins=plugins)
        sdk.log("i")
        assert sdk.interactions[0]["added"] == {
            "who": ["[EMAIL_ADDRESS]"],
            "[CREDIT_CARD]": ["[EMAIL_ADDRESS]"],
        }


SECRETS = {
    "mail": "ada.lovelace@example.com",
    "card": "4111111111111111",
    "iban": "DE89370400440532013000",
    "ip": "203.0.113.77",
    "key": "sk-proj-abc123DEF456ghi789jkl",
}
EVERYTHING = " ".join(SECRETS.values())


def log_on_every_path(sdk: client.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log the secrets by all there is, by way of the module functions where there are such."""

    def fail(question: str) -> None:
        raise RuntimeError(EVERYTHING)

    def leave(*args: Any) -> None:
        raise ValueError(EVERYTHING)

    everywhere = {"deep": [{EVERYTHING: EVERYTHING}], "int": 4111111111111111}
    sdk.log(
        EVERYTHING, EVERYTHING, raw_input=everywhere, raw_output=everywhere, metadata=everywhere,
        user_id=EVERYTHING, session_id=EVERYTHING, task_id=EVERYTHING,
        version_id=SECRETS["mail"],
        anything=everywhere, flag=EVERYTHING, created_at=EVERYTHING,
    )  # fmt: skip
    sdk.log({"messages": [{"role": "system", "content": EVERYTHING}]}, [EVERYTHING])
    sdk.log("x" * 1_500_000 + EVERYTHING, "y " * 300_000 + EVERYTHING)
    sdk.user_feedback(EVERYTHING, "failure", notes=EVERYTHING, source=EVERYTHING)
    monkeypatch.setattr("phospho.wrapping.get_client", lambda: sdk)
    with pytest.raises(RuntimeError):
        phospho.wrap(fail, metadata=everywhere)(EVERYTHING)
    phospho.wrap(lambda question: {"answer": question})(EVERYTHING)
    with phospho.session(user_id=EVERYTHING, metadata=everywhere):
        sdk.log("in a session")
    with monkeypatch.context() as patch:
        patch.setattr(sdk, "read", leave)
        sdk.log(EVERYTHING, [EVERYTHING], user_id=EVERYTHING)


def leaks(bytes_or_text: bytes | str) -> set[str]:
    text = bytes_or_text.decode() if isinstance(bytes_or_text, bytes) else bytes_or_text
    text = unquote(text)
    return {name for name, secret in SECRETS.items() if secret in text}


def test_nothing_arrives_by_any_path(
    make_client: ClientFactory, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    sdk = make_client(plugins=[Redaction()])
    log_on_every_path(sdk, monkeypatch)
    assert sdk.flush()
    assert (len(loopback.events), len(loopback.feedback)) == (7, 1)
    for request in loopback.stored:
        assert leaks(request.path + json.dumps(request.body)) == set()
    feedback = loopback.feedback[0]
    assert feedback.body["notes"].startswith("[EMAIL_ADDRESS] [CREDIT_CARD]")
    assert feedback.path.count("CREDIT_CARD") == 1
    fallback = loopback.events[-1]
    assert fallback["metadata"]["phospho_error"] == "not readable"


def test_nothing_is_written_to_disk(
    make_client: ClientFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sdk = make_client(
        plugins=[Redaction()], spool_dir=tmp_path, base_url="http://127.0.0.1:9", tick=60
    )
    log_on_every_path(sdk, monkeypatch)
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert sdk.stats().spooled == 7
    assert b"[EMAIL_ADDRESS" in written
    assert leaks(written) == set()


def test_captured_records_are_redacted_as_the_app_asked() -> None:
    phospho.init("key", "proj", base_url="http://127.0.0.1:9", plugins=[Redaction()])
    with phospho.testing.capture() as logged:
        told = phospho.log(EVERYTHING, EVERYTHING, user_id=EVERYTHING)
        phospho.user_feedback(told["task_id"], notes=EVERYTHING)
    assert leaks(json.dumps([told, logged.interactions, logged.feedback])) == set()
    assert logged.feedback[0]["task_id"] == told["task_id"]


def test_a_task_and_the_feedback_on_it_keep_the_same_id() -> None:
    sdk = phospho.testing.CaptureClient(plugins=[Redaction()])
    sdk.log("i", task_id="order of ada@example.com")
    sdk.user_feedback("order of ada@example.com", "success")
    (record,), (feedback,) = sdk.interactions, sdk.feedback
    assert record["task_id"] == feedback["task_id"]
    assert record["task_id"].startswith("order of [EMAIL_ADDRESS ")


def test_what_cannot_be_redacted_is_not_sent(
    make_client: ClientFactory, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    sdk = make_client(plugins=[Redaction()])
    monkeypatch.setattr("phospho.redaction.record.is_card", lambda digits: 1 / 0)
    sdk.log("i", metadata={"card": 4111111111111111})
    sdk.log("fine")
    assert sdk.flush()
    assert [event["input"] for event in loopback.events] == ["fine"]
    assert sdk.stats().dropped == {"before_send_failed": 1}


def test_a_value_without_end_is_refused_not_sent() -> None:
    with pytest.raises(RecursionError):
        redact({"metadata": make_cycle()})
    assert redact({"metadata": {"deep": make_depth(100)}})["metadata"] == {"deep": make_depth(100)}


def test_nothing_of_it_is_loaded_before_it_is_used() -> None:
    done = run_script(
        """
        import phospho, sys
        phospho.init(base_url="http://127.0.0.1:9")
        phospho.log("question", "answer")
        print("phospho.redaction" in sys.modules)
        phospho.init(base_url="http://127.0.0.1:9", plugins=[phospho.Redaction()])
        print("phospho.redaction" in sys.modules, "presidio_analyzer" in sys.modules)
        """
    )
    assert done.stdout == "False\nTrue False\n"


# --- whatever strangers log


def luhn_digit(digits: str) -> str:
    doubled = [int(d) * 2 for d in digits[-1::-2]]
    total = sum(map(int, digits[-2::-2])) + sum(n - 9 if n > 9 else n for n in doubled)
    return str(-total % 10)


def digits(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=length, max_size=length)


ALNUM = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
mails = st.from_regex(
    r"[a-z0-9][a-z0-9._%+\-]{0,20}[a-z0-9]@([a-z0-9]{1,10}\.){1,3}[a-z]{2,6}", fullmatch=True
)


@st.composite
def cards(draw: st.DrawFn) -> str:
    prefix, length = draw(
        st.sampled_from([("4", 13), ("4", 16), ("4", 19), ("51", 16), ("2221", 16), ("34", 15),
                         ("300", 14), ("6011", 16), ("3528", 16), ("6212", 19), ("6304", 16)])
    )  # fmt: skip
    number = prefix + draw(digits(length - len(prefix) - 1))
    number += luhn_digit(number)
    gap = draw(st.sampled_from(["", " ", "-"]))
    return gap.join(number[i : i + 4] for i in range(0, length, 4))


@st.composite
def ibans(draw: st.DrawFn) -> str:
    country, length = draw(st.sampled_from([("DE", 22), ("FR", 27), ("NO", 15), ("GB", 22)]))
    bban = draw(
        st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=length - 4, max_size=length - 4)
    )
    number = int("".join(str(int(char, 36)) for char in f"{bban}{country}00"))
    iban = f"{country}{98 - number % 97:02}{bban}"
    gap = draw(st.sampled_from(["", " "]))
    return gap.join(iban[i : i + 4] for i in range(0, length, 4))


keys = st.one_of(
    st.text(ALNUM, min_size=36, max_size=36).map("ghp_".__add__),
    st.text(ALNUM, min_size=20, max_size=48).map(lambda text: f"sk-proj-{text}7"),
    st.text(ALNUM[26:], min_size=16, max_size=16).map("AKIA".__add__),
    st.text(ALNUM + "-_", min_size=43, max_size=43).map("ph_".__add__),
)
addresses = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.integers(2**125, 2**126).map(lambda n: str(ipaddress.IPv6Address(n | 0x1111))),
)
planted = st.one_of(mails, cards(), ibans(), keys, addresses)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def plant(secret: str, value: Any, draw: Callable[..., Any]) -> Any:
    """Return a value with a secret somewhere inside of it."""
    if isinstance(value, list):
        return [*value, plant(secret, draw(scalars), draw)]
    if isinstance(value, dict):
        if draw(st.booleans()):
            return {**value, f"({secret})": None}
        return {**value, "more": plant(secret, draw(scalars), draw)}
    text = f"({secret})"
    wraps: dict[str, Callable[[str], str]] = {
        "json": lambda text: json.dumps({"inner": [text]}),
        "words": lambda text: f"It is {text}, then.",
        "repr": lambda text: repr({"inner": f"then\n{text[1:-1]}\nand"}),
    }
    for wrap in draw(st.lists(st.sampled_from(sorted(wraps)), max_size=3)):
        text = wraps[wrap](text)
    return text


@given(secret=planted, value=values, data=st.data())
def test_a_planted_secret_never_survives(secret: str, value: Any, data: st.DataObject) -> None:
    holding = plant(secret, value, data.draw)
    record = dict.fromkeys(("input", "raw_output", "metadata", "anything"), holding)
    once = redact({"project_id": "proj", **record, "user_id": f"u:{secret}"})
    assert secret not in json.dumps(once, ensure_ascii=False)
    again = redact(once)
    assert again == once


@given(value=values)
def test_any_value_keeps_its_shape(value: Any) -> None:
    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return [shape(item) for item in value.values()]
        return [shape(item) for item in value] if isinstance(value, list) else None

    once = redact({"raw_input": value})
    assert shape(once["raw_input"]) == shape(value)
    again = redact(once)
    assert json.dumps(again) == json.dumps(once)


@pytest.mark.parametrize(
    "unit",
    [
        "a@", "a@a.", "a%40", "a'", "1 ", "1", "01 23 ", "::", "1:", "1.", "eyJ.", "eyJaaaaaaaa.",
        "+1 2", "password=", 'password="', "password=&a", "://a:", "-----BEGIN PRIVATE KEY-----",
        "sk-", "DE89", "basic a", "[", '{"a":', "a", "411111111111111", "phone 1 ",
        "\\n", "\\", "%31", "&#49;", "\uff11", "\u200b1", "token:", 'secret:"a ', "secret: '''",
        'api_key:["', "api_key=f(", "password:\n", "authorization: a b ", "cookie: a=", "4111 ",
        "01 02 03 04 05 ", "DE 89 ", "--", "key", r'password\": \"', "password: **",
    ],
)  # fmt: skip
def test_hostile_texts_take_time_in_proportion_to_their_length(unit: str) -> None:
    # Quadratic time would take minutes here; a second or two is linear.
    assert text_of((unit * 300_000)[:300_000])


@pytest.mark.parametrize("end", ["", ")", "x"])
@pytest.mark.parametrize(
    "unit",
    [
        *("0", "01", "_1", "1_", "confirm", "confirmed_", "again", "hash", "value_", "password"),
        *("token_", "a_", "prev_", "key", "Aa", "A", "_", "-", " ", "phone_", "mobile", "x_token_"),
    ],
)
def test_hostile_names_take_no_longer_than_others(unit: str, end: str) -> None:
    # More than one way to read the same would take hours here.
    name = (unit * 64)[: 64 - len(end)] + end
    assert redact({"metadata": {name: {name: "x"}}})["metadata"]
